#!/bin/sh
# Remakes easel-mini from nothing: fetch and build the set, train both stages, measure, export.
# Run it in the repository's root. A stage that was stopped goes on where it was.
set -e
recipe=modules/training/recipes/easel-mini
runs=~/.cache/easel/runs/easel-mini
python -m modules.training.datasets.fluent_emoji
python -m modules.training "$recipe/autoencoder.toml"
# then larger crops: group normalisation sees another mixture in a whole picture than in a small crop
python -m modules.training "$recipe/autoencoder.toml" --set run.steps=3600 --set autoencoder.crop=128 \
    --set run.batch_size=4 --set optimizer.lr=3e-3
python -m modules.training "$recipe/diffusion-128.toml"
python -m modules.training "$recipe/diffusion-256.toml"
# then on all popular emoji alike, from the finished model
python -m modules.training "$recipe/diffusion-256.toml" --set run.steps=9000 --set "run.folder=$runs/diffusion-all" \
    --set 'data.focus=[]' --set data.popular_share=0.95 --set optimizer.lr=5e-4 \
    --set "diffusion.start_from=$runs/diffusion-256/result"
result=$runs/diffusion-all/result
python -m modules.training.evaluate "$result" --card "$recipe/README.md" --sheet "$recipe/samples.jpg" --json "$recipe/measured.json"
python -m modules.training.export "$result" models/Stable-diffusion/easel-mini --notes "$recipe"

#!/bin/sh
# Remakes easel-mini from nothing: fetch and build the set, train both stages, measure, export.
# Run it in the repository's root.
# A stage that was stopped goes on where it was. The second stage has no natural end: stop it when it is good enough.
set -e
recipe=modules/training/recipes/easel-mini
python -m modules.training.datasets.fluent_emoji
python -m modules.training "$recipe/autoencoder.toml"
python -m modules.training "$recipe/diffusion.toml" "$@"
result=~/.cache/easel/runs/easel-mini/diffusion/result
python -m modules.training.evaluate "$result" --card "$recipe/README.md" --sheet "$recipe/samples.jpg" --json "$recipe/measured.json"
python -m modules.training.export "$result" models/Stable-diffusion/easel-mini --notes "$recipe"

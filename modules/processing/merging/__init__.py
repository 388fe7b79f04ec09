"""Merging: checkpoints into one, LoRA into checkpoints or each other, LoRA out of two checkpoints."""

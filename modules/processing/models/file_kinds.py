"""The endings of model files, and what is said of those that can run code."""

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
PICKLE = "A pickle file can run code: it needs conversion to .safetensors, or --allow-pickle."

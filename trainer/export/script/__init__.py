"""A configuration as one PyTorch script."""

from trainer.export.script.exact import exact_script

__all__ = ["exact_script"]

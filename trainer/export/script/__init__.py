"""A configuration as one PyTorch script: the short one that one would write by hand, or the exact one, digit for digit."""

from trainer.export.script.errors import ShortScriptError
from trainer.export.script.exact import exact_script
from trainer.export.script.short import short_script

__all__ = ["ShortScriptError", "exact_script", "short_script"]

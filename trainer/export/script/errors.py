"""The error of a configuration that has no short script."""


class ShortScriptError(ValueError):
    """A configuration that has no short script; the text is one sentence with the remedy."""


EXACT_INSTEAD = "Use the exact script instead: python -m trainer script --exact."

"""What a script cannot say."""


class ShortScriptError(ValueError):
    """A configuration that has no short script; the text is one sentence with the remedy."""


EXACT_INSTEAD = "Take the exact script instead: python -m trainer script --exact."

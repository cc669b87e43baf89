"""Whether files with weights are only that, looked at without torch and without running anything in them."""

from __future__ import annotations

import io
import pickletools
import zipfile
import zlib

from safetensors import SafetensorError, deserialize

MAX_PICKLE_BYTES = 50_000_000  # bytes; it holds names and shapes, the numbers lie beside it
STORAGES = {
    f"torch {kind}Storage"
    for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Byte", "Bool")
}
HARMLESS = STORAGES | {
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "collections OrderedDict",
}
CALLS = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}


def problem_of_weights(data: bytes) -> str:
    """What is wrong with a safetensors file; empty when nothing is."""
    try:
        deserialize(data)  # type: ignore[no-untyped-call]
    except (SafetensorError, ValueError, OverflowError) as error:
        return f"holds no weights in the safetensors format ({str(error)[:100]})"
    return ""


def problem_of_checkpoint(data: bytes) -> str:
    """What is wrong with a checkpoint; empty when it holds tensors and plain values alone.

    torch.load(weights_only=True) checks this again when somebody resumes the run.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if any(
                entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(data) for entry in entries
            ):
                return "is compressed, which torch never does"
            pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
            if len(pickles) != 1 or pickles[0].file_size > MAX_PICKLE_BYTES:
                return "is no checkpoint of torch"
            return problem_of_pickle(archive.read(pickles[0]))
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
    ) as error:
        return f"cannot be read ({str(error)[:100] or type(error).__name__})"


def problem_of_pickle(data: bytes) -> str:
    """Names what a pickle would import or call beyond tensors; reading it this way runs nothing."""
    for code, argument, _ in pickletools.genops(data):
        if code.name in CALLS:
            return f"holds the instruction {code.name}, which no checkpoint needs: it could run code"
        if code.name == "GLOBAL" and argument not in HARMLESS:
            return f"would import {str(argument)[:60]!r}: it could run code"
    return ""

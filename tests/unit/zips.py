"""Exported zips with other contents than an export gives them."""

import hashlib
import io
import json
import zipfile


def changed(data, change=lambda files: None, sign=True, compression=zipfile.ZIP_DEFLATED, **entries):
    """The zip with other contents, its manifest made to fit unless `sign` is off."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files |= {name.replace("__", "."): value for name, value in entries.items()}
    change(files)
    if sign:
        manifest = json.loads(files["manifest.json"])
        manifest["files"] = {
            name: {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            for name, body in files.items()
            if name != "manifest.json"
        }
        files["manifest.json"] = json.dumps(manifest).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


def edited(name, /, **values):
    """A change of some keys in a JSON file."""

    def change(files):
        files[name] = json.dumps({**json.loads(files[name]), **values}).encode()

    return change


def replaced(name, old, new):
    def change(files):
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return change

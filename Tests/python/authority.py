"""Authorities and certificates of the tests' own, made with openssl."""

import pathlib
import subprocess

SUBMITTER = "spiffe://immutable-ledger.local/veps"
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]


def openssl(folder: pathlib.Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class Authority:
    """An authority, or one below another, with what it has signed."""

    def __init__(self, folder: pathlib.Path, name: str, above: "Authority | None" = None):
        self.folder, self.name, self.above = folder, name, above
        self.path, self.key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,digitalSignature"]
        subject = "/O=test/CN=The authority of callers"
        if above:
            above.sign(name, extensions, subject="/O=test/CN=Between")
            return
        adding = [word for one in extensions for word in ("-addext", one)]
        openssl(folder, "req", "-x509", *CURVE, "-nodes", "-keyout", str(self.key), "-out", str(self.path),
                "-subj", subject, "-days", "2", *adding)  # fmt: skip

    def sign(
        self, name: str, extensions: list[str], kind: list[str] = CURVE, days: int = 2,
        subject: str = "/O=test",
    ) -> "Pair":  # fmt: skip
        """A certificate with a key of its own."""
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}-key.pem")
        (self.folder / "extensions").write_text("\n".join(extensions) + "\n")
        openssl(self.folder, "req", *kind, "-nodes", "-keyout", str(pair.key), "-out", "request",
                "-subj", subject)  # fmt: skip
        openssl(self.folder, "x509", "-req", "-in", "request", "-CA", str(self.path), "-CAkey",
                str(self.key), "-CAcreateserial", "-out", str(pair.path), "-days", str(days),
                "-extfile", "extensions")  # fmt: skip
        return pair

    def server(self, name: str, *names: str) -> "Pair":
        """The certificate of a server with these names, such as DNS:localhost."""
        return self.sign(name, [f"subjectAltName={','.join(names)}", "extendedKeyUsage=serverAuth"])

    def caller(self, name: str, usage: str = "clientAuth", **options) -> "Pair":
        return self.sign(name, [f"subjectAltName=URI:{SUBMITTER}", f"extendedKeyUsage={usage}"], **options)


class Pair:
    """A certificate, perhaps with others behind it, and its key."""

    def __init__(self, path: pathlib.Path, key: pathlib.Path):
        self.path, self.key = path, key

    def behind(self, *others: pathlib.Path) -> "Pair":
        """The same with more certificates in the file."""
        path = self.path.with_suffix(".chain.pem")
        path.write_bytes(b"".join(one.read_bytes() for one in [self.path, *others]))
        return Pair(path, self.key)

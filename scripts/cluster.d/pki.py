"""The cluster's own certificate authority, a certificate per component, and kubeconfigs made from them."""

import base64
import os
from pathlib import Path

import places
import shell

DAYS = "3650"
_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{places.DNS_DOMAIN}")
_API_NAMES = [f"DNS:{name}" for name in (*_NAMES, "localhost")]
_API_NAMES += [f"IP:{address}" for address in ("127.0.0.1", places.API_SERVICE_ADDRESS, places.NODE_ADDRESS)]

CERTIFICATES = {
    "apiserver": ("/CN=kube-apiserver", ",".join(_API_NAMES)),
    "admin": ("/O=system:masters/CN=admin", ""),
    "controller-manager": ("/CN=system:kube-controller-manager", ""),
    "scheduler": ("/CN=system:kube-scheduler", ""),
    "proxy": ("/CN=system:kube-proxy", ""),
    "kubelet": (
        f"/O=system:nodes/CN=system:node:{places.CLUSTER}",
        f"DNS:{places.CLUSTER},IP:{places.NODE_ADDRESS}",
    ),
}
"""Name: whom it is for, and under which names and addresses it is reached."""
CLIENTS = ("admin", "controller-manager", "scheduler", "proxy", "kubelet")


def ensure(folder: Path) -> None:
    """Make what lacks: keys and certificates NAME.key and NAME.crt, and NAME.kubeconfig of each client."""
    if (folder / "complete").exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(folder, 0o700)
    curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    for name in ("ca", "service-accounts", *CERTIFICATES):
        shell.run("openssl", "genpkey", *curve, "-out", f"{name}.key", cwd=folder)
    shell.run("openssl", "pkey", "-in", "service-accounts.key", "-pubout", "-out", "service-accounts.pub", cwd=folder)
    authority = ("req", "-x509", "-key", "ca.key", "-subj", "/CN=kubernetes", "-days", DAYS, "-out", "ca.crt")
    # Python 3.13 and newer verify by the letter of RFC 5280: key usage here, key identifiers below.
    shell.run("openssl", *authority, "-addext", "keyUsage=critical,keyCertSign,cRLSign", cwd=folder)
    for name, (subject, reached) in CERTIFICATES.items():
        _sign(name, subject=subject, reached=reached, folder=folder)
    for name in CLIENTS:
        write_kubeconfig(folder / f"{name}.kubeconfig", client=name, folder=folder)
    (folder / "complete").touch()


def _sign(name: str, *, subject: str, reached: str, folder: Path) -> None:
    extensions = folder / f"{name}.ext"
    extensions.write_text(
        "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n" + (f"subjectAltName={reached}\n" if reached else "")
    )
    shell.run("openssl", "req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr", cwd=folder)
    signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", DAYS, "-extfile", extensions.name)
    shell.run("openssl", "x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.crt", cwd=folder)


def write_kubeconfig(file: Path, *, client: str, folder: Path) -> None:
    """A kubeconfig with everything inside, readable by its owner only."""

    def inside(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    name = places.CLUSTER
    text = f"""apiVersion: v1
kind: Config
current-context: {name}
clusters:
- name: {name}
  cluster:
    server: {places.SERVER}
    certificate-authority-data: {inside("ca.crt")}
users:
- name: {name}
  user:
    client-certificate-data: {inside(f"{client}.crt")}
    client-key-data: {inside(f"{client}.key")}
contexts:
- name: {name}
  context: {{cluster: {name}, user: {name}}}
"""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    new.rename(file)

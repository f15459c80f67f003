"""Write what an installation consists of (SBOM), as CycloneDX 1.6 in JSON, for each file of constraints.

``python contrib/release/sbom.py dist``, where the wheel is; ``tox -e release`` makes both. A document has the
wheel with its hash and what it asks for, and the releases of the constraints that this Python and platform
get. The same files give the same document; ``SOURCE_DATE_EPOCH`` is its time.
"""

import datetime
import hashlib
import os
import re
import sys
import uuid
import zipfile
from email.parser import Parser
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def main(directory):
    """Write documents beside a wheel."""
    (wheel,) = Path(directory).glob("*.whl")
    release = "-".join(wheel.name.split("-")[:2])
    for constraints in sorted(ROOT.glob("constraints/*.txt")):
        document = document_of(wheel, constraints)
        wheel.with_name(f"{release}-{constraints.stem}.cdx.json").write_text(document)


def document_of(wheel, constraints):
    """The document of a wheel and a file of constraints."""
    root, wanted = of_wheel(wheel)
    bom = Bom(components=(known := of_constraints(constraints)).values())
    bom.metadata.component = root
    asked = [known[name] for name in wanted if name in known]
    bom.register_dependency(root, asked)
    # The same document for the same files: no random number, no time of its own.
    contents = hashlib.sha256(wheel.read_bytes() + constraints.read_bytes()).hexdigest()
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, contents)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "1580601600"))  # the default of what builds the wheel
    bom.metadata.timestamp = datetime.datetime.fromtimestamp(epoch, datetime.UTC)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def component(name, version, **more):
    """A package of PyPI."""
    name = canonicalize_name(name)
    purl = PackageURL("pypi", name=name, version=version)
    return Component(name=name, version=version, purl=purl, bom_ref=str(purl), **more)


def of_wheel(wheel):
    """The wheel itself, and the names of the packages that it asks for."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
        metadata = Parser().parsestr(archive.read(name).decode())
    wanted = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    root = component(
        metadata["Name"],
        metadata["Version"],
        type=ComponentType.LIBRARY,
        description=metadata["Summary"],
        licenses=[LicenseExpression(metadata["License-Expression"])],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    here = [each for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
    return root, [canonicalize_name(each.name) for each in here]


def of_constraints(file):
    """The packages of a file of constraints that are for this Python and this platform, by name."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    pinned = [Requirement(line) for line in lines if line]
    here = [each for each in pinned if each.marker is None or each.marker.evaluate()]
    return {
        canonicalize_name(each.name): component(each.name, str(each.specifier).removeprefix("=="))
        for each in here
    }


if __name__ == "__main__":
    main(sys.argv[1])

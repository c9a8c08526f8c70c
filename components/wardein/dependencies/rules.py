# SPDX-License-Identifier: Apache-2.0
"""The rules on how dependencies are declared, and what becomes of other people's severities."""

from __future__ import annotations

from wardein.report import Severity
from wardein.scan.rules import Rule

UNPINNED = Rule(
    "dependencies/unpinned",
    Severity.MEDIUM,
    "allows more than one version, and no lock file says which is installed",
    "A model that is trained again next week runs other code than the one that was reviewed, and no advisory can be"
    " looked up for a version that nobody knows. The verdict is an ERROR anyway, as the requirement was not examined.",
    "pin it with ==, or add a lock file (uv lock, poetry lock, pip-compile)",
    "CWE-1357",
)
UNHASHED = Rule(
    "dependencies/unhashed",
    Severity.MEDIUM,
    "the files that are installed are not held fast by digests",
    "A version that is replaced on the index, on a mirror or on the way is installed unnoticed. Medium, because an"
    " index that keeps released files (as PyPI does) makes it hard, and wheels of ML frameworks are often mirrored.",
    "write the digests with pip-compile --generate-hashes or uv export, and install with --require-hashes",
    "CWE-494",
)
EDITABLE = Rule(
    "dependencies/own-code",
    Severity.INFO,
    "is code of the scanned folder itself, which advisories do not know",
    "Nothing is wrong with it: it is listed so that every declared requirement is accounted for.",
    "nothing; what it depends on is read from its own declarations",
)
DIRECT_URL = Rule(
    "dependencies/direct-url",
    Severity.MEDIUM,
    "comes from a URL or a repository and not from an index",
    "No index checks its name, keeps its files or takes it back when it proves malicious, and advisories speak of"
    " released versions. Usual for research code, so it fails only where a policy asks for it.",
    "publish a release on an index of your own and pin that",
    "CWE-829",
)
NO_COMMIT = Rule(
    "dependencies/vcs-without-commit",
    Severity.HIGH,
    "names a branch or a tag, or nothing, and not a commit",
    "Whoever can push to that repository runs code in the next training, with the training's data and credentials;"
    " a tag moves as easily as a branch.",
    "write the full commit after @",
    "CWE-494",
)
HUB_NO_COMMIT = Rule(
    "dependencies/hub-without-commit",
    Severity.HIGH,
    "pulls from a model hub without naming a commit",
    "Repositories of a model hub hold code and pickles beside the weights, their main branch is rewritten by anyone"
    " with the owner's token, and abandoned names have been taken over by others.",
    "write the full commit after @",
    "CWE-494",
)
URL_NO_HASH = Rule(
    "dependencies/url-without-hash",
    Severity.HIGH,
    "is a file behind a URL, without a digest",
    "Whatever lies there on the day of the build is installed and run.",
    "append #sha256=… to the URL, or --hash=sha256:… to the line",
    "CWE-494",
)
EXTRA_INDEX = Rule(
    "dependencies/extra-index",
    Severity.HIGH,
    "a second index is asked for every package, and the highest version wins wherever it is (dependency confusion)",
    "Internal and nightly indexes are the rule in ML (CUDA wheels, feature libraries), and a foreign package of the"
    " same name on the public index is then installed: so it happened to PyTorch's nightly builds in December 2022.",
    "serve everything from one index that proxies the others, or bind packages to their index (uv: explicit = true)",
    "CWE-427",
)
SECOND_INDEX = Rule(
    "dependencies/second-index",
    Severity.MEDIUM,
    "a further index takes part in the choice for packages that are not bound to it",
    "The tool takes a package from the first index that has it, which is safer than pip's way; yet whoever holds that"
    " index can offer any package.",
    "mark the index as explicit and bind its packages to it",
    "CWE-427",
)
FIND_LINKS = Rule(
    "dependencies/find-links",
    Severity.MEDIUM,
    "files of a page outside the index are preferred to the index",
    "Whoever can write to that page chooses what is installed; wheels for accelerators are often offered that way.",
    "mirror those files on your index, and pin them with digests",
    "CWE-427",
)
PLAIN_HTTP = Rule(
    "dependencies/plain-http",
    Severity.HIGH,
    "packages are fetched over a connection that is not encrypted",
    "Anybody on the way can replace code that is then run with the training's data and credentials.",
    "use https",
    "CWE-319",
)
TRUSTED_HOST = Rule(
    "dependencies/trusted-host",
    Severity.HIGH,
    "the certificate of a package host is not checked",
    "Anybody on the way can replace code that is then run with the training's data and credentials.",
    "install the host's certificate authority instead (PIP_CERT)",
    "CWE-295",
)
CREDENTIALS = Rule(
    "dependencies/credentials",
    Severity.HIGH,
    "a URL holds a password or a token (not shown)",
    "Whoever reads the repository, an image built from it or a build log can read, and often write, the package index.",
    "revoke it, and write ${VARIABLE} in its place or use a keyring",
    "CWE-522",
)
PRE_RELEASES = Rule(
    "dependencies/pre-releases",
    Severity.LOW,
    "pre-releases are installed",
    "They are tried by few, seldom named in advisories, and replaced without notice.",
    "pin the one pre-release that is needed",
)
STALE_LOCK = Rule(
    "dependencies/stale-lock",
    Severity.HIGH,
    "the lock file does not fit the declaration",
    "What is installed is decided anew at install time, or the declaration is ignored: in both cases what was reviewed"
    " is not what runs.",
    "lock again and commit the result",
    "CWE-1357",
)
CONFLICT = Rule(
    "dependencies/conflicting-pins",
    Severity.MEDIUM,
    "is pinned to different versions in one file",
    "Either the installation fails, or tools that read the file differ about which version is installed.",
    "keep one of them",
)
UNEXAMINED = Rule(
    "dependencies/unexamined-accepted",
    Severity.INFO,
    "was not looked up, as --accept-unexamined allows",
    "It is listed so that what nobody looked at stays visible.",
    "look it up by other means",
)
MALICIOUS = Rule(
    "MAL-*",
    Severity.CRITICAL,
    "is a malicious package",
    "Advisories on malicious packages carry no severity. There is no safe way to have one installed: it runs when it is"
    " installed or imported, with the data and credentials of the training.",
    "remove it, and treat the secrets of every machine that installed it as stolen",
    "CWE-506",
)
UNRATED = Rule(
    "dependencies/unrated",
    Severity.HIGH,
    "has a vulnerability that nobody has rated",
    "An unknown severity is no reason to let it pass: it counts as high, and fails whatever --fail-severity says. It is"
    " told under the vulnerability's own identifier.",
    "upgrade, or waive it once it is understood",
)

RULES: tuple[Rule, ...] = (
    UNPINNED,
    UNHASHED,
    EDITABLE,
    DIRECT_URL,
    NO_COMMIT,
    HUB_NO_COMMIT,
    URL_NO_HASH,
    EXTRA_INDEX,
    SECOND_INDEX,
    FIND_LINKS,
    PLAIN_HTTP,
    TRUSTED_HOST,
    CREDENTIALS,
    PRE_RELEASES,
    STALE_LOCK,
    CONFLICT,
    UNEXAMINED,
    MALICIOUS,
    UNRATED,
)

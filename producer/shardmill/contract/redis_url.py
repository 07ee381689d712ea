"""The URL of a Redis, read as redis-py reads it, and written for kombu, for the ledger, for people.

What redis-py takes from a URL is what counts: user and password stand before the host or in the
query, where those before the host win; ``db`` in the query wins over the path.  Both clients get
one form, with user and password before the host.  People never see a password.
"""

from typing import Final, Self
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from shardmill.contract.errors import UsageError

SCHEMES: Final = ("redis://", "rediss://", "unix://")
MASK: Final = "***"
_ARGUMENTS: Final = frozenset(
    {
        *("db", "username", "password", "protocol", "timeout", "max_connections"),
        *("socket_timeout", "socket_connect_timeout", "socket_keepalive", "retry_on_timeout"),
        *("health_check_interval", "ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile"),
        *("ssl_keyfile", "ssl_password", "ssl_check_hostname", "ssl_min_version"),
    }
)
"""What the query may hold: what both clients understand."""
_SECRET_ARGUMENT: Final = "ssl_password"  # noqa: S105 - the name of one
"""The one of them that is a password, and is no part of the credentials."""


class RedisUrl(Struct, frozen=True, kw_only=True):
    """A Redis and one of its databases."""

    scheme: str
    """``redis``, ``rediss`` or ``unix``."""
    username: str = ""
    """Empty: the default user."""
    password: str = ""
    """Empty: none is sent."""
    place: str
    """Host and port as in the URL; of a socket its path, percent-encoded."""
    database: int = 0
    """Number of the database."""
    arguments: dict[str, str]
    """The query without user, password and database."""

    @classmethod
    def parse(cls, text: str, *, name: str) -> Self:
        """Read a URL.

        Args:
            text: The URL.
            name: What it is called in errors, which show no part of it: any may be a password.

        Raises:
            UsageError: redis-py cannot read it, or would read a part of a password as another part.
        """
        if not text.startswith(SCHEMES):
            raise UsageError(f"{name} must begin with {', '.join(SCHEMES[:2])} or {SCHEMES[2]}")
        try:
            parts = urlsplit(text)
            query = _query(parts)
            _ = parts.port  # raises where it is no number
        except ValueError:
            raise UsageError(
                f"{name} must be a URL such as redis://user:password@host:6379/0, got one that "
                "cannot be read: write the special characters of a password percent-encoded, as "
                "%2F for /, or name a file with it in SHARDMILL_REDIS_PASSWORD_FILE"
            ) from None  # the cause shows parts of the URL
        is_socket = parts.scheme == "unix"
        username, password = query.pop("username", ""), query.pop("password", "")
        database = query.pop("db", "") or ("" if is_socket else unquote(parts.path).strip("/"))
        if database and not database.isdecimal():
            raise UsageError(f"{name} must name a database by number, got another text")
        return cls(
            scheme=parts.scheme,
            username=unquote(parts.username or "") or username,
            password=unquote(parts.password or "") or password,
            place=parts.path if is_socket else parts.netloc.rpartition("@")[2],
            database=int(database or 0),
            arguments=query,
        )

    def __repr__(self) -> str:
        return f"RedisUrl({self.shown})"

    def with_password(self, password: str) -> Self:
        """Return the same with another password."""
        return replace(self, password=password)

    @property
    def ledger(self) -> Self:
        """The database after this one."""
        return replace(self, database=self.database + 1)

    @property
    def text(self) -> str:
        """The URL as redis-py reads it."""
        return self._written(self._credentials, self.arguments)

    @property
    def broker(self) -> str:
        """The URL as kombu reads it."""
        if self.scheme == "unix":
            query = urlencode({"virtual_host": self.database} | self.arguments, safe="/")
            return f"redis+socket://{self._credentials}{self.place}?{query}"
        # Left to itself, kombu would take any certificate.
        checked = {"ssl_cert_reqs": "required"} if self.scheme == "rediss" else {}
        return self._written(self._credentials, self.arguments | (checked | self.arguments))

    @property
    def shown(self) -> str:
        """The URL without its password.  A user without one is hidden too: it may be meant as one.

        A URL without user and password is shown as it is, and can be used.
        """
        hidden = {_SECRET_ARGUMENT: MASK} if _SECRET_ARGUMENT in self.arguments else {}
        credentials = f"{MASK}@" if self.username else ""
        if self.password:
            credentials = f"{quote(self.username, safe='')}:{MASK}@"
        return self._written(credentials, self.arguments | hidden)

    @property
    def _credentials(self) -> str:
        if not (self.username or self.password):
            return ""
        password = f":{quote(self.password, safe='')}" if self.password else ""
        return f"{quote(self.username, safe='')}{password}@"

    def _written(self, credentials: str, arguments: dict[str, str]) -> str:
        place = self.place
        if self.scheme != "unix":
            place += f"/{self.database}"
        elif self.database:
            arguments = {"db": str(self.database)} | arguments
        query = urlencode(arguments, safe="/*")
        return f"{self.scheme}://{credentials}{place}{'?' if query else ''}{query}"


def _query(parts: SplitResult) -> dict[str, str]:
    """Return the query of a URL.

    Raises:
        ValueError: A ``/``, ``?`` or ``#`` of a password has cut the URL, or an argument is none.
    """
    query = dict(reversed(parse_qsl(parts.query, strict_parsing=bool(parts.query))))
    if "@" in parts.path or parts.fragment or not query.keys() <= _ARGUMENTS:
        raise ValueError("not a URL of Redis")
    return query  # of several arguments of one name the first counts

"""The configuration service of the domain: its state, its fields, and indexing.

Of its actions there are DescribeDomains, DescribeIndexFields, DefineIndexField and
IndexDocuments, in the Query protocol: a form in, XML out. A field that is defined is deployed
by the next indexing; until then no document may hold it and no search name it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.sax.saxutils import escape

from homeport.testing.cloudsearch.errors import ConfigurationRefused, DefinitionError, SearchRefused
from homeport.testing.cloudsearch.index import Index
from homeport.testing.cloudsearch.schema import Field, Schema
from homeport.testing.cloudsearch.wire import Reply, Request, parameters

_NAMESPACE: Final = "http://cloudsearch.amazonaws.com/doc/2013-01-01/"
_SWITCHES: Final = {
    "FacetEnabled": "facet",
    "SearchEnabled": "search",
    "ReturnEnabled": "returned",
    "SortEnabled": "sort",
    "HighlightEnabled": "highlight",
}
"""Option on the wire -> attribute of `Field`."""

Given = dict[str, str]


class Configuration:
    """`deployed` is what documents and searches see, `defined` what the next indexing deploys.

    A test sets `created` to False for a domain that is being created, and `processing` to True
    for one that is not ready for another reason than indexing.
    """

    def __init__(self, name: str, schema: Schema, indexing_time: float) -> None:
        self.name: Final = name
        self.deployed = schema
        self.defined = schema
        self.created = True
        self.processing = False
        self.endpoint = ""
        self._indexing_time = indexing_time
        self._indexed_at = 0.0
        self._failed = False
        self._deploying: Schema | None = None

    def remaining(self, now: float) -> float:
        """Seconds until indexing is done, or 0."""
        return max(0.0, self._indexed_at - now) if self._deploying else 0.0

    def progress(self, now: float) -> bool:
        """Deploy what was indexed, where the time for it has passed. True when that happened."""
        if self._deploying is None or now < self._indexed_at:
            return False
        self.deployed, self._deploying = self._deploying, None
        return True

    def index_documents(self, index: Index, now: float) -> None:
        """Begin to index. It fails where documents hold what a new type does not take."""
        schema = self.defined
        self._failed = index.any_received(
            lambda document: any(
                (field := schema.resolve(name)) is None or field.base != base
                for name, base in document.bases.items()
            )
        )
        if not self._failed:
            self._deploying = schema
            self._indexed_at = now + self._indexing_time

    def answer(self, request: Request, index: Callable[[], None], now: float) -> Reply:
        """Answer an action. `index` begins to index the domain."""
        try:
            given = _given(request)
            action = given.get("Action", "")
            return _xml(200, _wrapped(action, self._act(action, given, index)))
        except ConfigurationRefused as exc:
            return _error(exc)

    def _act(self, action: str, given: Given, index: Callable[[], None]) -> str:
        if given.get("Version") != "2013-01-01":
            raise ConfigurationRefused("InvalidParameterValue", "Version is 2013-01-01")
        if action == "DescribeDomains":
            return self._describe_domains(_members(given, "DomainNames"))
        if action not in {"DescribeIndexFields", "DefineIndexField", "IndexDocuments"}:
            raise ConfigurationRefused("InvalidAction", f"The emulator has no action {action}")
        if given.get("DomainName") != self.name:
            message = f"Domain not found: {given.get('DomainName')}"
            raise ConfigurationRefused("ResourceNotFound", message, 409)
        if action == "DescribeIndexFields":
            return self._describe_fields(given)
        if action == "DefineIndexField":
            return f"<IndexField>{self._define(given)}</IndexField>"
        index()
        names = (f"<member>{escape(name)}</member>" for name in sorted(self.defined.fields))
        return f"<FieldNames>{''.join(names)}</FieldNames>"

    def _describe_domains(self, names: list[str]) -> str:
        if names and self.name not in names:
            return "<DomainStatusList/>"
        endpoint = f"<Endpoint>{self.endpoint.removeprefix('http://')}</Endpoint>"
        if not self.created:
            endpoint = ""
        status = (
            f"<DomainId>123456789012/{self.name}</DomainId>"
            f"<DomainName>{self.name}</DomainName>"
            f"<ARN>arn:aws:cloudsearch:us-east-1:123456789012:domain/{self.name}</ARN>"
            f"<Created>{_boolean(self.created)}</Created><Deleted>false</Deleted>"
            f"<DocService>{endpoint}</DocService><SearchService>{endpoint}</SearchService>"
            f"<RequiresIndexDocuments>{_boolean(self._stale())}</RequiresIndexDocuments>"
            f"<Processing>{_boolean(self._busy())}</Processing>"
            "<SearchInstanceType>search.small</SearchInstanceType>"
            "<SearchPartitionCount>1</SearchPartitionCount>"
            "<SearchInstanceCount>1</SearchInstanceCount>"
        )
        return f"<DomainStatusList><member>{status}</member></DomainStatusList>"

    def _busy(self) -> bool:
        return self.processing or not self.created or self._deploying is not None

    def _stale(self) -> bool:
        """Whether something defined is not even being deployed."""
        return self.defined != (self._deploying or self.deployed)

    def _describe_fields(self, given: Given) -> str:
        wanted = _members(given, "FieldNames")
        deployed = given.get("Deployed") == "true"
        fields = self.deployed.fields if deployed else self.defined.fields
        found = (
            f"<member>{self._described(name, fields[name])}</member>"
            for name in sorted(fields)
            if not wanted or name in wanted
        )
        return f"<IndexFields>{''.join(found)}</IndexFields>"

    def _described(self, name: str, field: Field) -> str:
        state = "Active"
        if self.deployed.fields.get(name) != field:
            in_work = self._deploying and self._deploying.fields.get(name) == field
            state = "Processing" if in_work else "RequiresIndexDocuments"
        if self._failed:
            state = "FailedToValidate"
        switches = {
            option: getattr(field, attribute)
            for option, attribute in _SWITCHES.items()
            if option in _options(field)
        }
        told = "".join(f"<{option}>{_boolean(on)}</{option}>" for option, on in switches.items())
        if field.base == "text":
            told += f"<AnalysisScheme>{field.analysis_scheme}</AnalysisScheme>"
        group = _group(field.type)
        return (
            f"<Options><IndexFieldName>{name}</IndexFieldName>"
            f"<IndexFieldType>{field.type}</IndexFieldType><{group}>{told}</{group}></Options>"
            "<Status><CreationDate>2026-01-01T00:00:00Z</CreationDate>"
            "<UpdateDate>2026-01-01T00:00:00Z</UpdateDate><UpdateVersion>1</UpdateVersion>"
            f"<State>{state}</State><PendingDeletion>false</PendingDeletion></Status>"
        )

    def _define(self, given: Given) -> str:
        name = given.get("IndexField.IndexFieldName", "")
        kind = given.get("IndexField.IndexFieldType", "")
        try:
            plain = Field(kind)
            field = _field(
                plain,
                {
                    key.removeprefix("IndexField."): value
                    for key, value in given.items()
                    if key.startswith("IndexField.") and "Options." in key
                },
            )
            self.defined = self.defined.with_field(name, field)
        except DefinitionError as exc:
            limit = "at most" in str(exc)
            code = "LimitExceeded" if limit else "ValidationException"
            raise ConfigurationRefused(code, str(exc), 409 if limit else 400) from exc
        return self._described(name, field)


def _field(plain: Field, options: Given) -> Field:
    attributes: dict[str, bool] = {}
    scheme = plain.analysis_scheme
    for key, value in options.items():
        group, _, option = key.partition(".")
        if group != _group(plain.type):
            raise DefinitionError(f"{group} are no options of {plain.type}")
        if option in {"DefaultValue", "SourceField", "SourceFields"}:
            raise DefinitionError(f"The emulator does not speak this: {option}")
        if option == "AnalysisScheme" and plain.base == "text":
            scheme = value
        elif option in _options(plain) and value in {"true", "false"}:
            attributes[_SWITCHES[option]] = value == "true"
        else:
            raise DefinitionError(f"{option}={value} is no option of {plain.type}")
    return Field(
        plain.type,
        search=attributes.get("search", True),
        returned=attributes.get("returned", True),
        facet=attributes.get("facet"),
        sort=attributes.get("sort"),
        highlight=attributes.get("highlight"),
        analysis_scheme=scheme,
    )


def _options(field: Field) -> set[str]:
    """The switches that fields of this type have."""
    if field.base == "text":
        switches = {"ReturnEnabled", "HighlightEnabled"}
    else:
        switches = {"FacetEnabled", "SearchEnabled", "ReturnEnabled"}
    return switches if field.array else {*switches, "SortEnabled"}


def _group(kind: str) -> str:
    """`LiteralArrayOptions` for `literal-array`."""
    name = "LatLon" if kind == "latlon" else "".join(part.title() for part in kind.split("-"))
    return f"{name}Options"


def _given(request: Request) -> Given:
    try:
        body = (request.body or b"").decode("ascii")
        return parameters(request.query, body)
    except (SearchRefused, UnicodeDecodeError) as exc:
        raise ConfigurationRefused("MalformedQueryString", str(exc)) from exc


def _members(given: Given, name: str) -> list[str]:
    return [value for key, value in given.items() if key.startswith(f"{name}.member.")]


def _boolean(on: bool) -> str:
    return "true" if on else "false"


def _wrapped(action: str, result: str) -> str:
    return (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>emulated</RequestId></ResponseMetadata></{action}Response>"
    )


def _error(exc: ConfigurationRefused) -> Reply:
    return _xml(
        exc.status,
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type>'
        f"<Code>{exc.code}</Code><Message>{escape(str(exc))}</Message></Error>"
        "<RequestId>emulated</RequestId></ErrorResponse>",
    )


def _xml(status: int, body: str) -> Reply:
    return Reply(status, body.encode(), "text/xml")

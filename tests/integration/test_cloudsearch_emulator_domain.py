"""The configuration of the emulated CloudSearch domain: fields, indexing, suggesters, its state."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from homeport.testing.cloudsearch import CloudSearchEmulator, DefinitionError, Field
from tests.cloudsearch_requests import (
    SUGGEST,
    add,
    ask,
    client,
    found,
    refusal,
    search,
    started,
    upload,
)

TYPES = (
    "int", "double", "date", "literal", "text", "latlon",
    "int-array", "double-array", "date-array", "literal-array", "text-array",
)  # fmt: skip
NAMES = ["abc", "a_1", "x" * 64, "*_t", "t_*", "*", "*" + "x" * 63, "x" * 63 + "*", "scores"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_a_field_may_have(name: str) -> None:
    CloudSearchEmulator({name: "text"})


@pytest.mark.parametrize(
    "name",
    ["", "ab", "x" * 65, "Abc", "1bc", "_abc", "a-b", "a b", "äbc", "score", "a*b", "*a*", "**",
     "*-t", "*" + "x" * 64],
)  # fmt: skip
def test_names_that_no_field_may_have(name: str) -> None:
    with pytest.raises(DefinitionError):
        CloudSearchEmulator({name: "text"})


def test_every_type_and_no_other() -> None:
    CloudSearchEmulator({f"field_{nth}": kind for nth, kind in enumerate(TYPES)})
    for kind in ("latlon-array", "string", "Text", "array"):
        with pytest.raises(DefinitionError):
            Field(kind)


def test_options_that_a_type_does_not_have() -> None:
    for kind in ("text", "text-array"):
        with pytest.raises(DefinitionError):
            Field(kind, facet=True)
        with pytest.raises(DefinitionError):
            Field(kind, search=False)
    for kind in TYPES:
        if kind.endswith("-array"):
            with pytest.raises(DefinitionError):
                Field(kind, sort=True)
        if not kind.startswith("text"):
            with pytest.raises(DefinitionError):
                Field(kind, highlight=True)


def test_a_domain_has_up_to_200_fields_and_10_suggesters() -> None:
    CloudSearchEmulator({f"f{nth:03}": "int" for nth in range(200)})
    with pytest.raises(DefinitionError):
        CloudSearchEmulator({f"f{nth:03}": "int" for nth in range(201)})
    suggesters = {f"s{nth:03}": "title" for nth in range(11)}
    with pytest.raises(DefinitionError):
        CloudSearchEmulator({"title": "text"}, suggesters=suggesters)
    suggesters.popitem()
    CloudSearchEmulator({"title": "text"}, suggesters=suggesters)


@pytest.mark.parametrize(
    "suggesters", [{"s": "title"}, {"sug": "kind"}, {"sug": "foo"}, {"score": "title"}]
)
def test_suggesters_that_no_domain_has(suggesters: Mapping[str, str]) -> None:
    with pytest.raises(DefinitionError):
        CloudSearchEmulator({"title": "text", "kind": "literal"}, suggesters=suggesters)


def test_a_field_has_an_analysis_scheme_that_the_domain_has() -> None:
    with pytest.raises(DefinitionError):
        CloudSearchEmulator({"title": Field("text", analysis_scheme="mine")})


# --- suggestions --------------------------------------------------------------------------


@pytest.fixture
def suggesting() -> Iterator[CloudSearchEmulator]:
    fields = {"title": "text", "owner": "literal"}
    with started(fields, suggesters={"titles": "title"}) as domain:
        add(domain, "a1", title="Oceans apart", owner="ann")
        add(domain, "a2", title="Ocean's Eleven", owner="bob")
        add(domain, "a3", title="An ocean", owner="bob")
        domain.index_documents()
        yield domain


def suggested(domain: CloudSearchEmulator, q: str) -> list[str]:
    answer = client(domain).suggest(query=q, suggester="titles")
    return [one["suggestion"] for one in answer["suggest"]["suggestions"]]


def test_suggestions_begin_like_the_query(suggesting: CloudSearchEmulator) -> None:
    target = f"{SUGGEST}?q=OCE&suggester=titles&format=sdk"
    answer = ask(suggesting, "GET", target).json
    assert answer["suggest"] == {
        "query": "OCE",
        "found": 2,
        "suggestions": [
            {"suggestion": "Ocean's Eleven", "score": 0, "id": "a2"},
            {"suggestion": "Oceans apart", "score": 0, "id": "a1"},
        ],
    }
    assert suggested(suggesting, "") == []
    sized = ask(suggesting, "GET", f"{target}&size=1").json["suggest"]
    assert (sized["found"], len(sized["suggestions"])) == (2, 1)


def test_suggestions_have_no_filter(suggesting: CloudSearchEmulator) -> None:
    answer = ask(suggesting, "GET", f"{SUGGEST}?q=oce&suggester=titles&fq=owner:'ann'")
    assert answer.status == 400
    assert answer.json["message"] == "Suggestions have no parameter fq"


def test_suggestions_see_no_change_before_the_next_indexing(
    suggesting: CloudSearchEmulator,
) -> None:
    assert upload(suggesting, [{"type": "delete", "id": "a2"}]).status == 200
    add(suggesting, "a4", title="Ocean view")
    assert suggested(suggesting, "oce") == ["Ocean's Eleven", "Oceans apart"]
    suggesting.index_documents()
    assert suggested(suggesting, "oce") == ["Ocean view", "Oceans apart"]


def test_suggestions_look_at_512_bytes() -> None:
    with started({"title": "text"}, suggesters={"titles": "title"}) as domain:
        add(domain, "a1", title="x" * 600)
        domain.index_documents()
        assert len(suggested(domain, "x" * 512)) == 1
        assert suggested(domain, "x" * 513) == []


@pytest.mark.parametrize(
    "query", ["suggester=titles", "q=oce", "q=oce&suggester=other", "q=o&suggester=titles&size=0"]
)
def test_other_suggestions_are_refused(suggesting: CloudSearchEmulator, query: str) -> None:
    assert ask(suggesting, "GET", f"{SUGGEST}?{query}").status == 400


# --- the configuration service -------------------------------------------------------------


@pytest.fixture
def domain() -> Iterator[CloudSearchEmulator]:
    unfaceted = Field("literal", facet=False)
    with started({"title": "text", "*_k": unfaceted}, indexing_time=600.0) as domain:
        yield domain


def status(boto: Any) -> dict[str, object]:
    (one,) = boto.describe_domains(DomainNames=["homeport"])["DomainStatusList"]
    return dict(one)


def state(boto: Any, name: str) -> str:
    (field,) = boto.describe_index_fields(DomainName="homeport", FieldNames=[name])["IndexFields"]
    return str(field["Status"]["State"])


def test_a_domain_that_is_ready(domain: CloudSearchEmulator) -> None:
    told = status(client(domain, "cloudsearch"))
    endpoint = {"Endpoint": domain.endpoint.removeprefix("http://")}
    assert told["DomainName"] == "homeport"
    assert (told["Created"], told["Deleted"], told["Processing"]) == (True, False, False)
    assert told["RequiresIndexDocuments"] is False
    assert told["DocService"] == told["SearchService"] == endpoint


def test_a_domain_that_is_being_created(domain: CloudSearchEmulator) -> None:
    domain.configuration.created = False
    told = status(client(domain, "cloudsearch"))
    assert (told["Created"], told["Processing"]) == (False, True)
    assert told["SearchService"] == {}


def test_a_domain_that_is_processing(domain: CloudSearchEmulator) -> None:
    domain.configuration.processing = True
    assert status(client(domain, "cloudsearch"))["Processing"] is True


def test_other_domains_are_not_there(domain: CloudSearchEmulator) -> None:
    boto = client(domain, "cloudsearch")
    assert boto.describe_domains(DomainNames=["other"])["DomainStatusList"] == []
    assert len(boto.describe_domains()["DomainStatusList"]) == 1
    with pytest.raises(boto.exceptions.ResourceNotFoundException):
        boto.describe_index_fields(DomainName="other")
    with pytest.raises(boto.exceptions.ResourceNotFoundException):
        boto.index_documents(DomainName="other")


def test_fields_are_described(domain: CloudSearchEmulator) -> None:
    fields = client(domain, "cloudsearch").describe_index_fields(DomainName="homeport")
    assert [field["Options"] for field in fields["IndexFields"]] == [
        {
            "IndexFieldName": "*_k",
            "IndexFieldType": "literal",
            "LiteralOptions": {
                "FacetEnabled": False,
                "SearchEnabled": True,
                "ReturnEnabled": True,
                "SortEnabled": True,
            },
        },
        {
            "IndexFieldName": "title",
            "IndexFieldType": "text",
            "TextOptions": {
                "ReturnEnabled": True,
                "SortEnabled": True,
                "HighlightEnabled": True,
                "AnalysisScheme": "_en_default_",
            },
        },
    ]


def define(boto: Any, name: str, kind: str, **options: object) -> Any:
    field = {"IndexFieldName": name, "IndexFieldType": kind} | options
    return boto.define_index_field(DomainName="homeport", IndexField=field)["IndexField"]


def test_a_field_is_deployed_by_indexing_which_takes_its_time(domain: CloudSearchEmulator) -> None:
    boto = client(domain, "cloudsearch")
    batch = [{"type": "add", "id": "a1", "fields": {"year": 1977}}]
    made = define(boto, "year", "int", IntOptions={"FacetEnabled": False, "SortEnabled": False})
    assert made["Status"]["State"] == "RequiresIndexDocuments"
    assert made["Options"]["IntOptions"] == {
        "FacetEnabled": False, "SearchEnabled": True, "ReturnEnabled": True, "SortEnabled": False,
    }  # fmt: skip
    assert status(boto)["RequiresIndexDocuments"] is True
    assert upload(domain, batch).status == 400
    assert "does not exist" in refusal(domain, "year:1977")

    assert boto.index_documents(DomainName="homeport")["FieldNames"] == ["*_k", "title", "year"]
    told = status(boto)
    assert (told["Processing"], told["RequiresIndexDocuments"]) == (True, False)
    assert state(boto, "year") == "Processing"
    assert upload(domain, batch).status == 400

    domain.advance(601)
    assert status(boto)["Processing"] is False
    assert state(boto, "year") == "Active"
    assert upload(domain, batch).status == 200
    domain.settle()
    assert found(domain, "year:1977") == ["a1"]
    assert search(domain, "x", facet={"year": {}}).status == 400


def test_settling_waits_for_indexing(domain: CloudSearchEmulator) -> None:
    boto = client(domain, "cloudsearch")
    define(boto, "year", "int")
    boto.index_documents(DomainName="homeport")
    domain.settle()
    assert state(boto, "year") == "Active"


def test_indexing_fails_where_documents_hold_another_type(domain: CloudSearchEmulator) -> None:
    add(domain, "a1", title="text", old_k="literal")
    boto = client(domain, "cloudsearch")
    define(boto, "old_k", "int")
    boto.index_documents(DomainName="homeport")
    assert state(boto, "old_k") == "FailedToValidate"
    assert state(boto, "title") == "FailedToValidate"
    domain.settle()
    assert found(domain, "old_k:'literal'") == ["a1"]


def test_what_is_deployed_is_told_apart(domain: CloudSearchEmulator) -> None:
    boto = client(domain, "cloudsearch")
    define(boto, "year", "int")
    names = [
        field["Options"]["IndexFieldName"]
        for field in boto.describe_index_fields(DomainName="homeport", Deployed=True)["IndexFields"]
    ]
    assert names == ["*_k", "title"]


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("Year", "int", {}),
        ("score", "int", {}),
        ("year", "string", {}),
        ("year", "int", {"LiteralOptions": {"FacetEnabled": True}}),
        ("years", "int-array", {"IntArrayOptions": {"DefaultValue": 1}}),
        ("plot", "text", {"TextOptions": {"AnalysisScheme": "mine"}}),
        ("plot", "text", {"TextOptions": {"SourceField": "title"}}),
    ],
)
def test_other_fields_are_refused(
    domain: CloudSearchEmulator, name: str, kind: str, options: dict[str, object]
) -> None:
    boto = client(domain, "cloudsearch")
    with pytest.raises(boto.exceptions.ClientError) as raised:
        define(boto, name, kind, **options)
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert status(boto)["RequiresIndexDocuments"] is False


def test_more_fields_than_a_domain_has_are_refused() -> None:
    with started({f"f{nth:03}": "int" for nth in range(200)}) as domain:
        boto = client(domain, "cloudsearch")
        with pytest.raises(boto.exceptions.LimitExceededException):
            define(boto, "one_more", "int")


def test_actions_that_are_not_emulated_are_refused(domain: CloudSearchEmulator) -> None:
    boto = client(domain, "cloudsearch")
    with pytest.raises(boto.exceptions.ClientError) as raised:
        boto.list_domain_names()
    assert raised.value.response["Error"] == {
        "Type": "Sender",
        "Code": "InvalidAction",
        "Message": "The emulator has no action ListDomainNames",
    }
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    old = b"Action=DescribeDomains&Version=2011-02-01"
    assert ask(domain, "POST", "/", old, form).status == 400


# --- standing alone -------------------------------------------------------------------------


def test_it_imports_the_standard_library_and_itself_only() -> None:
    package = "homeport.testing.cloudsearch"
    folder = Path(str(files(package)))
    modules = list(folder.glob("*.py"))
    assert len(modules) > 20
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.module and not node.level
                names = [node.module]
            for name in names:
                standard = name.partition(".")[0] in sys.stdlib_module_names
                assert standard or name == package or name.startswith(f"{package}."), module

"""The definition file and the environment over it; every mistake says where and what instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from homeport.definition import BUILT_IN, STARTER, Definition, DefinitionError, load, locate
from homeport.domain.model.collection import Access, FieldDeclaration, FieldRole

Complain = Callable[..., list[str]]


@pytest.fixture
def complain(tmp_path: Path) -> Complain:
    """What a definition's text, and variables over it, are refused with: a line for each."""

    def refused(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        (tmp_path / "homeport.toml").write_text(text)
        with pytest.raises(DefinitionError) as caught:
            load(tmp_path, environ or {})
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return refused


def write(folder: Path, text: str, name: str = "homeport.toml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


class TestWhereItIs:
    def test_a_folder_without_a_file_gets_the_starter(self, tmp_path: Path) -> None:
        assert locate(tmp_path) is None
        found = load(tmp_path, {})
        assert found.data_folder == tmp_path / "homeport-data"
        assert found.server.port == 8090
        notes = found.catalog().find("notes")
        assert notes is not None
        assert notes.fields["title"] == FieldDeclaration(FieldRole.TEXT, 2.0)

    def test_the_starter_states_the_defaults(self, tmp_path: Path) -> None:
        written = load(write(tmp_path, STARTER), {})
        plain = load(write(tmp_path, ""), {})
        assert replace(written, collections={}) == plain
        assert load(tmp_path / "homeport.toml", {}).collections == {}

    def test_pyproject_may_hold_it(self, tmp_path: Path) -> None:
        text = '[project]\nname = "app"\n[tool.homeport]\ndata_folder = "kept"\n'
        file = write(tmp_path, text, "pyproject.toml")
        assert locate(tmp_path) == file
        assert load(tmp_path, {}).data_folder == tmp_path / "kept"
        write(tmp_path, text + "[tool.homeport.server]\nprot = 1\n", "pyproject.toml")
        with pytest.raises(DefinitionError, match=r"pyproject\.toml:6: server\.prot: there is no"):
            load(tmp_path, {})

    def test_another_projects_pyproject_is_none(self, tmp_path: Path) -> None:
        file = write(tmp_path, '[project]\nname = "app"\n', "pyproject.toml")
        assert locate(tmp_path) is None
        with pytest.raises(DefinitionError, match="there is no table"):
            load(file, {})

    def test_two_definitions_in_one_folder_are_refused(self, tmp_path: Path) -> None:
        write(tmp_path, "[tool.homeport]\n", "pyproject.toml")
        write(tmp_path, "")
        with pytest.raises(DefinitionError, match="keep one of the two"):
            load(tmp_path, {})

    def test_a_file_that_is_not_there_or_not_text(self, tmp_path: Path) -> None:
        with pytest.raises(DefinitionError, match="cannot be read: No such file"):
            load(tmp_path / "other.toml", {})
        (tmp_path / "homeport.toml").write_bytes(b"\xff")
        with pytest.raises(DefinitionError, match="not UTF-8"):
            load(tmp_path, {})

    def test_the_data_folder_counts_from_the_file(self, tmp_path: Path) -> None:
        file = write(tmp_path, 'data_folder = "../kept"')
        assert load(file, {}).data_folder == tmp_path / "../kept"
        assert load(write(tmp_path, 'data_folder = "/kept"'), {}).data_folder == Path("/kept")

    def test_the_environments_counts_from_the_working_folder(self, tmp_path: Path) -> None:
        assert load(tmp_path, {"HOMEPORT_DATA_FOLDER": "2024"}).data_folder == Path.cwd() / "2024"


class TestWhatItSays:
    def test_collections_become_the_catalog(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            'undeclared_collections = "refuse"\n'
            '[collections.posts]\nread = "anyone"\nwrite = "author"\n'
            'fields = { title = "text", "place.city" = "keyword" }\n',
        )
        catalog = load(tmp_path, {}).catalog()
        posts = catalog.find("posts")
        assert posts is not None
        assert (posts.read, posts.write) == (Access.ANYONE, Access.AUTHOR)
        assert posts.fields["place.city"] == FieldDeclaration(FieldRole.KEYWORD)
        assert catalog.refuse_undeclared
        assert catalog.find("inbox") is not None

    def test_adapters_have_a_short_and_a_long_form(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            '[adapters]\npush_gateway = "memory"\n'
            'search_index = { use = "pkg.mod:Index", options = { url = "http://x", n = 1 } }\n',
        )
        adapters = load(tmp_path, {}).adapters
        assert adapters.push_gateway.use == "memory"
        assert adapters.search_index.options == {"url": "http://x", "n": 1}
        assert adapters.record_store.use == "embedded"

    def test_the_feed_follows_a_built_in_store(self) -> None:
        found = Definition.of({"adapters": {"record_store": "memory"}})
        assert found.adapters.change_feed.use == "memory"

    def test_a_profile_chooses_what_is_not_named(self, tmp_path: Path) -> None:
        write(tmp_path, 'profile = "memory"\n[adapters]\npush_gateway = "embedded"')
        adapters = load(tmp_path, {}).adapters
        assert (adapters.record_store.use, adapters.push_gateway.use) == ("memory", "embedded")
        aws = load(tmp_path, {"HOMEPORT_PROFILE": "aws"}).adapters
        chosen = {port: getattr(aws, port).use for port in BUILT_IN}
        assert chosen == {
            "record_store": "dynamodb",
            "change_feed": "dynamodb",
            "search_index": "cloudsearch",
            "push_gateway": "embedded",
            "message_queue": "sqs",
            "identity_provider": "dynamodb",
        }

    @pytest.mark.parametrize("written", [True, False], ids=["the starter", "no file"])
    def test_a_profile_of_the_environment_chooses_everything(
        self, written: bool, tmp_path: Path
    ) -> None:
        if written:
            write(tmp_path, STARTER)
        adapters = load(tmp_path, {"HOMEPORT_PROFILE": "aws"}).adapters
        assert {port: getattr(adapters, port).use for port in BUILT_IN} == {
            port: names[2] for port, names in BUILT_IN.items()
        }

    def test_the_feed_follows_a_store_that_is_named_over_the_profile(self, tmp_path: Path) -> None:
        write(tmp_path, 'profile = "aws"\n[adapters]\nrecord_store = "memory"')
        assert load(tmp_path, {}).adapters.change_feed.use == "memory"

    def test_it_is_frozen(self) -> None:
        with pytest.raises(FrozenInstanceError):
            Definition().server.port = 1  # type: ignore[misc]  # that is the point


class TestTheEnvironmentWins:
    def test_over_the_file(self, tmp_path: Path) -> None:
        write(tmp_path, '[server]\nport = 1\nhost = "::1"\n[adapters]\npush_gateway = "memory"')
        found = load(
            tmp_path,
            {
                "HOMEPORT_SERVER__PORT": "9000",
                "HOMEPORT_SERVER__ACCESS_LOG": "off",
                "HOMEPORT_SERVER__CORS_ORIGINS": '["https://a.example"]',
                "HOMEPORT_ADAPTERS__PUSH_GATEWAY": "embedded",
                "HOMEPORT_COLLECTIONS__NOTES__FIELDS__TITLE__ROLE": "text",
                "HOMEPORT_COLLECTIONS__NOTES__FIELDS__TITLE__BOOST": "1.5",
                "HOMEPORT_COLLECTIONS__POSTS": '{ read = "anyone", shards = 64 }',
                "PATH": "/bin",
            },
        )
        assert (found.server.port, found.server.host) == (9000, "::1")
        assert found.server.access_log == "off"
        assert found.server.cors_origins == ("https://a.example",)
        assert found.adapters.push_gateway.use == "embedded"
        assert found.collections["notes"].fields["title"].boost == 1.5
        assert found.collections["posts"].read is Access.ANYONE
        shards = {one.name: one.shards for one in found.catalog().declared()}
        assert shards == {"notes": 1, "posts": 64}

    def test_options_join_the_files_short_form(self, tmp_path: Path) -> None:
        write(tmp_path, '[adapters]\nsearch_index = "pkg:Index"')
        found = load(tmp_path, {"HOMEPORT_ADAPTERS__SEARCH_INDEX__OPTIONS__URL": "http://x"})
        assert found.adapters.search_index.use == "pkg:Index"
        assert found.adapters.search_index.options == {"url": "http://x"}

    def test_another_adapter_drops_the_files_options(self, tmp_path: Path) -> None:
        write(tmp_path, '[adapters]\nsearch_index = { use = "pkg:Index", options = { n = 1 } }')
        found = load(tmp_path, {"HOMEPORT_ADAPTERS__SEARCH_INDEX": "memory"})
        assert found.adapters.search_index.options == {}

    @pytest.mark.parametrize(
        ("environ", "complaint"),
        [
            (
                {"HOMEPORT_PORT": "1"},
                (
                    "HOMEPORT_PORT: there is no such setting. Did you mean HOMEPORT_SERVER__PORT? "
                    "Allowed: HOMEPORT_PROFILE, HOMEPORT_DATA_FOLDER, "
                    "HOMEPORT_UNDECLARED_COLLECTIONS, HOMEPORT_ADAPTERS, HOMEPORT_SERVER, "
                    "HOMEPORT_LIMITS, HOMEPORT_SEARCH, HOMEPORT_COLLECTIONS, "
                    "HOMEPORT_SUBSCRIBERS, HOMEPORT_AWS, HOMEPORT_OPENSEARCH."
                ),
            ),
            ({"HOMEPORT_SERVER__PORT": "x"}, 'HOMEPORT_SERVER__PORT: "x" should be a whole number'),
            (
                {"HOMEPORT_SERVER__PORT__X": "1"},
                "HOMEPORT_SERVER__PORT__X: a table should be a whole number",
            ),
            ({"HOMEPORT_ADAPTERS": "memory"}, 'HOMEPORT_ADAPTERS: must be a table, not "memory"'),
            (
                {"HOMEPORT_COLLECTIONS__A__FIELDS__B__BOOST": "2"},
                "HOMEPORT_COLLECTIONS__A__FIELDS__B__BOOST: `role` is missing",
            ),
            (
                {"HOMEPORT_ADAPTERS__SEARCH_INDEX": "solr"},
                (
                    'HOMEPORT_ADAPTERS__SEARCH_INDEX: "solr" is not an adapter of this release. '
                    "Allowed: memory, embedded, cloudsearch, opensearch, or your own as "
                    '"package.module:Class".'
                ),
            ),
        ],
    )
    def test_its_mistakes_name_the_variable(
        self, complain: Complain, environ: dict[str, str], complaint: str
    ) -> None:
        text = '[server]\nport = 1\n[adapters]\nsearch_index = { use = "a:B" }\n'
        assert complain(text, environ) == [complaint]

    def test_a_mistake_of_the_file_keeps_its_line(self, complain: Complain) -> None:
        found = complain("[server]\nprot = 1", {"HOMEPORT_SERVER__PORT": "9000"})
        assert found[0].startswith("homeport.toml:2: server.prot: there is no such key.")


ACCESS = "owner, members, author, signed_in, anyone, admin"


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            (
                "[server]\n\nprot = 1",
                (
                    "homeport.toml:3: server.prot: there is no such key. Did you mean port? "
                    "Allowed: host, port, cors_origins, trusted_proxies, access_log, "
                    "max_waiting_writes, max_requests, workers, head_seconds, body_seconds, "
                    "answer_seconds, compression, metrics."
                ),
            ),
            (
                "port = 1",
                (
                    "homeport.toml:1: port: there is no such key. Did you mean server.port? "
                    "Allowed: profile, data_folder, undeclared_collections, adapters, server, "
                    "limits, search, collections, subscribers, aws, opensearch."
                ),
            ),
            ("server.port = true", "homeport.toml:1: server.port: true should be a whole number"),
            ('server.port = "1"', 'homeport.toml:1: server.port: "1" should be a whole number'),
            (
                "[server]\nport = 65536",
                "homeport.toml:2: server.port: 65536 should be less than or equal to 65535",
            ),
            (
                "[server]\naccess_log = true",
                (
                    "homeport.toml:2: server.access_log: true is not allowed. "
                    "Allowed: auto, json, human, off."
                ),
            ),
            (
                '[server]\ncors_origins = "*"',
                'homeport.toml:2: server.cors_origins: "*" should be an array',
            ),
            (
                '[server]\ncors_origins = ["*", "example.com"]',
                (
                    'homeport.toml:2: server.cors_origins: "example.com" is not an origin. '
                    'Allowed: "*", or scheme, host and port as in "https://app.example.com"'
                ),
            ),
            (
                "[limits]\nguests_per_minute = 1.5",
                "homeport.toml:2: limits.guests_per_minute: 1.5 should be a whole number",
            ),
            ("data_folder = 3", "homeport.toml:1: data_folder: 3 should be text in quotes"),
            ('data_folder = ""', "homeport.toml:1: data_folder: a folder's name is missing"),
            (
                'undeclared_collections = "refused"',
                (
                    'homeport.toml:1: undeclared_collections: "refused" is not allowed. '
                    "Did you mean refuse? Allowed: allow, refuse."
                ),
            ),
            (
                '[adapters]\nsearch_index = "dynamodb"',
                (
                    'homeport.toml:2: adapters.search_index: "dynamodb" is not an adapter of this '
                    "release. Allowed: memory, embedded, cloudsearch, opensearch, or your own as "
                    '"package.module:Class".'
                ),
            ),
            (
                '[adapters.search_index]\nuse = "embedded"\noptions = { fast = true }',
                (
                    'homeport.toml:1: adapters.search_index: the built-in adapter "embedded" takes '
                    "no options"
                ),
            ),
            (
                "[adapters]\nsearch_index = { options = {} }",
                "homeport.toml:2: adapters.search_index: `use` is missing",
            ),
            (
                '[adapters]\nrecord_store = "pkg:Store"',
                (
                    'homeport.toml:1: adapters: change_feed "embedded" cannot read the changes of '
                    'record_store "pkg:Store": use the feed that belongs to the store'
                ),
            ),
            (
                "[collections.notes]\n[collections.inbox]",
                (
                    "homeport.toml:2: collections.inbox: this name is the backend's own; "
                    "reserved are inbox, media, rejected, sent, spaces"
                ),
            ),
            (
                "[collections.Notes]",
                "homeport.toml:1: collections.Notes: a collection's name is 1 to 64 of a-z 0-9 _",
            ),
            ("collections.a = 1", "homeport.toml:1: collections.a: must be a table, not 1"),
            (
                '[collections.a]\nread = "author"',
                'homeport.toml:2: collections.a.read: "author" is for writing only. Allowed: '
                + ACCESS.replace("author, ", "")
                + ".",
            ),
            (
                '[collections.a]\nwrite = "singed_in"',
                (
                    'homeport.toml:2: collections.a.write: "singed_in" is not allowed. '
                    f"Did you mean signed_in? Allowed: {ACCESS}."
                ),
            ),
            (
                '[collections.a.fields]\ntitle = "txt"',
                (
                    'homeport.toml:2: collections.a.fields.title: "txt" is not allowed. '
                    "Did you mean text? Allowed: text, keyword, number, date, geo."
                ),
            ),
            (
                '[collections.a.fields]\nn = { role = "number", boost = 2 }',
                (
                    "homeport.toml:2: collections.a.fields.n: only text fields have a boost; "
                    "this one's role is number"
                ),
            ),
            (
                '[collections.a.fields]\nn = { role = "text", boost = 0.5 }',
                (
                    "homeport.toml:2: collections.a.fields.n.boost: 0.5 should be greater than or "
                    "equal to 1"
                ),
            ),
            (
                "[collections.a]\nshards = 65",
                "homeport.toml:2: collections.a.shards: 65 should be less than or equal to 64",
            ),
            (
                '[collections.a.fields]\n"a..b" = "text"',
                (
                    'homeport.toml:2: collections.a.fields."a..b": a path is names with single '
                    "dots between them, as in `place.city`"
                ),
            ),
            ("\nx = = 3", "homeport.toml:2: this is not TOML: invalid value"),
            ("a = 1\na = 2", "homeport.toml:2: this is not TOML: cannot overwrite a value"),
        ],
    )
    def test_one(self, complain: Complain, text: str, complaint: str) -> None:
        assert complain(text) == [complaint]

    def test_an_unquoted_path_is_told_how_to_be_written(self, complain: Complain) -> None:
        found = complain('[collections.a.fields]\nplace.city = "text"')
        assert found[1] == (
            "homeport.toml:2: collections.a.fields.place.city: there is no such key. "
            'A path with dots is quoted: "place.city". Allowed: role, boost.'
        )

    def test_all_are_told_at_once(self, complain: Complain) -> None:
        found = complain('[server]\nport = -1\nhost = 1\n[search]\nlanguage = "xx"')
        assert [line.split(": ")[:2] for line in found] == [
            ["homeport.toml:3", "server.host"],
            ["homeport.toml:2", "server.port"],
            ["homeport.toml:5", "search.language"],
        ]


class TestOpenSearch:
    def test_one_line_chooses_it(self, tmp_path: Path) -> None:
        write(tmp_path, '[adapters]\nsearch_index = "opensearch"\n')
        found = load(tmp_path, {})
        assert found.adapters.search_index.use == "opensearch"
        assert found.opensearch.url == ("http://127.0.0.1:9200",)
        assert found.opensearch.verify

    def test_the_environment_sets_it(self, tmp_path: Path) -> None:
        variables = {
            "HOMEPORT_OPENSEARCH__URL": '["https://a.example", "https://b.example:9200/search"]',
            "HOMEPORT_OPENSEARCH__USER": "anna",
            "HOMEPORT_OPENSEARCH__PASSWORD": "12345",
            "HOMEPORT_OPENSEARCH__VERIFY": "false",
            "HOMEPORT_OPENSEARCH__TIMEOUT": "3",
        }
        found = load(tmp_path, variables).opensearch
        assert found.url == ("https://a.example", "https://b.example:9200/search")
        assert (found.user, found.password, found.verify, found.timeout) == (
            "anna",
            "12345",
            False,
            3,
        )
        assert "12345" not in repr(found)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('url = "search.example.com"', "opensearch.url"),
            ('url = "https://anna:secret@search.example.com"', "opensearch.url"),
            ("url = []", "opensearch.url"),
            ('prefix = "A*"', "opensearch.prefix"),
            ('aws = "s3"', "opensearch.aws"),
            ("timeout = 0", "opensearch.timeout"),
            ('user = "a"\naws = "es"', "opensearch"),
            ('password = "a"', "opensearch"),
        ],
    )
    def test_mistakes_are_named(self, complain: Complain, text: str, expected: str) -> None:
        (line,) = complain(f"[opensearch]\n{text}\n")
        assert f": {expected}:" in line
        assert "secret" not in line

    def test_the_profile_of_aws_keeps_cloudsearch(self, tmp_path: Path) -> None:
        write(tmp_path, 'profile = "aws"\n')
        assert load(tmp_path, {}).adapters.search_index.use == "cloudsearch"

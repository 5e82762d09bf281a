"""Lists that are read once, and catalogs that are worked on while they come."""

from mirror.errors import MirrorError, NetworkError
from mirror.events import Effort, Status
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference, Registry, Repository
from mirror.plan.inquiry import Asker, Inquiry
from mirror.plan.listings import Listings
from mirror.plan.task import ListCatalog, ListTags
from mirror.wire.listing import Listing, Names
from tests.plan.world import World

R = Registry("s.io")
REST = Listing("/v2/_catalog")


class Somebody(Asker):
    def __init__(self) -> None:
        self.effort = Effort()

    @property
    def abandoned(self) -> bool:
        return False


def test_each_page_of_a_catalog_is_handed_over_as_it_comes() -> None:
    inquiry, pages = Inquiry(), list[Names | MirrorError]()
    Listings(inquiry).read(Somebody(), R, "", pages.append)
    first, second = Names(("a",), rest=REST), Names(("b",))

    inquiry.learn(ListCatalog(R), first)
    assert pages == [first]
    inquiry.learn(ListCatalog(R, page=1), second)
    assert pages == [first, second]
    assert inquiry.tasks == [ListCatalog(R), ListCatalog(R, page=1, rest=REST)]
    assert inquiry.idle


def test_who_comes_late_is_given_what_has_come_and_then_the_rest() -> None:
    inquiry, early, late, last = Inquiry(), list[object](), list[object](), list[object]()
    listings = Listings(inquiry)
    listings.read(Somebody(), R, "", early.append)
    inquiry.learn(ListCatalog(R), Names(("a",), rest=REST))
    listings.read(Somebody(), R, "", late.append)
    inquiry.learn(ListCatalog(R, page=1), Names(("b",)))
    listings.read(Somebody(), R, "", last.append)

    assert early == late == last
    assert len(early) == 2


def test_a_catalog_that_breaks_off_is_an_error_for_all_and_read_again_by_the_next() -> None:
    inquiry, one, other = Inquiry(), list[object](), list[object]()
    listings = Listings(inquiry)
    listings.read(Somebody(), R, "", one.append)
    inquiry.learn(ListCatalog(R), Names(("a",), rest=REST))
    error = NetworkError("gone")
    inquiry.learn(ListCatalog(R, page=1), error)
    listings.read(Somebody(), R, "", other.append)

    assert one[1] is error
    assert other == []
    assert inquiry.tasks[-1] == ListCatalog(R)


def test_what_a_list_says_of_tags_is_known() -> None:
    inquiry, told = Inquiry(), list[object]()
    listings = Listings(inquiry)
    tagged = Descriptor(Digest.of(b"x"), 0, "application/x")
    repository = Repository(R, "a")
    listings.ask(Somebody(), ListTags(repository), told.append)
    inquiry.learn(ListTags(repository), Names(("1", "2"), {"1": tagged}))

    assert listings.described(Reference(repository, "1")) == tagged
    assert listings.described(Reference(repository, "2")) is None
    assert listings.described(Reference(Repository(R, "b"), "1")) is None


def test_work_begins_before_the_last_page_has_come() -> None:
    world = World()
    world.page = 1
    for name in ("a", "b", "c"):
        world.image(name, name=f"s.io/x/{name}:1")
    images = world.mirror("s.io/x/*=d.io/y/*")
    kinds = [type(task).__name__ for task in world.done]

    assert {image.status for image in images} == {Status.COPIED}
    assert len(images) == 3
    assert kinds.count("ListCatalog") == 3
    assert kinds.index("ListTags") < len(kinds) - 1 - kinds[::-1].index("ListCatalog")


def test_a_catalog_that_breaks_off_is_one_failure_and_what_came_is_copied() -> None:
    world = World()
    world.page = 1
    for name in ("a", "b"):
        world.image(name, name=f"s.io/x/{name}:1")
    world.breaks = lambda task: (
        NetworkError("gone") if isinstance(task, ListCatalog) and task.page else None
    )
    images = world.mirror("s.io/x/*=d.io/y/*")

    assert sorted((image.source, str(image.status)) for image in images) == [
        ("s.io/x/*", "failed"), ("s.io/x/a:1", "copied"),
    ]  # fmt: skip

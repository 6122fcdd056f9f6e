"""Where a studio keeps its things."""

from dataclasses import dataclass
from pathlib import Path

from studio.core.reach import Reach

ACCESS_FOLDER = ".access"


@dataclass(frozen=True, slots=True)
class Home:
    """A folder that holds the registry, the data, the runs and the models.

    `roots` are the folders that paths named on the page may lie in, `reach` how far its calls go; for the command
    line both are None, which is everywhere.
    """

    root: Path
    roots: tuple[Path, ...] | None = None
    reach: Reach | None = None

    @property
    def registry(self) -> Path:
        return self.root / "dataset_registry.json"

    @property
    def presets(self) -> Path:
        return self.root / "presets"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def saves(self) -> Path:
        return self.root / "saves"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def chats(self) -> Path:
        """Conversations that were kept, and votes on answers."""
        return self.root / "chats"

    @property
    def batches(self) -> Path:
        """Questions put to several models, with their answers; one folder a batch."""
        return self.root / "batches"

    @property
    def serving(self) -> Path:
        """A folder a server; each may hold a key, and so is its owner's alone."""
        return self.root / "serving"

    @property
    def trash(self) -> Path:
        """Runs that were thrown away, until it is emptied; on the same disk, so that throwing away is a move."""
        return self.root / ".trash"

    @property
    def webhook(self) -> Path:
        """The address that is told when a run ends; a secret."""
        return self.root / "webhook.json"

    @property
    def access(self) -> Path:
        """The hashes of the password, of who is logged in, and of API tokens; its owner's alone."""
        return self.root / ACCESS_FOLDER

    def pool(self, kind: str) -> Path:
        """Where the devices of a kind are taken, and waited for."""
        return self.saves / ".devices" / kind

    @property
    def warm(self) -> Path:
        """Where the warm engine listens, while there is one."""
        return self.cache / "warm.sock"

    @property
    def cache(self) -> Path:
        """What can be made again at any time."""
        return self.root / ".cache"

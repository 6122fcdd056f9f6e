"""The routes of the Export tab: what lives there, and the files that come out of it."""

from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from studio.actions.export import export_report
from studio.actions.hand_on import package_file
from studio.actions.proofs import proof_report
from studio.stores.home import Home
from studio.ui.export_card import show_export, show_hand_on, show_proof
from studio.ui.tagged import Language, tagged


def build_export_routes(home: Home) -> APIRouter:
    """What the Export tab asks for; `run` names what the card is about: a run, a proof, a model."""
    router = APIRouter()

    @router.get("/export")
    def export_panel(request: Request, run: str = "", language: Language = "en") -> Response:
        """State and proof of a run's newest export."""
        return tagged(request, show_export(home, run, language))

    @router.get("/proof")
    def proof_panel(request: Request, run: str = "", language: Language = "en") -> Response:
        """State and result of a proof that was made alone."""
        return tagged(request, show_proof(home, run, language))

    @router.get("/hand-on/{kind}")
    def hand_on_panel(
        request: Request, kind: Literal["package", "push"], run: str = "", language: Language = "en"
    ) -> Response:
        """How far a model's package or push is."""
        return tagged(request, show_hand_on(home, kind, run, language))

    @router.get("/export/report.json")
    def report(run: str, name: str) -> Response:
        """The merge proof of an export."""
        return _kept(export_report(home, run, name), f"{name}-export_report.json")

    @router.get("/proof/report.json")
    def alone(name: str) -> Response:
        """The report of a proof that was made alone."""
        return _kept(proof_report(home, name), f"{name}-export_report.json")

    @router.get("/package.tar")
    def package(model: str) -> Response:
        """A model that was packed."""
        path = package_file(home, model)
        return FileResponse(path, filename=path.name, media_type="application/x-tar")

    return router


def _kept(path: Path, name: str) -> FileResponse:
    return FileResponse(path, filename=name, media_type="application/json")

"""The display: what it shows (``pages``) and the service that keeps it so (``service``)."""

from graped.display.pages import Page, pages
from graped.display.service import DisplayService, candidate_buses

__all__ = ["DisplayService", "Page", "candidate_buses", "pages"]

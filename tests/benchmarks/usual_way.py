"""The usual way inside Synapse: a module that fetches, verifies with strict models, and fills the whitelist.

Every process does it again. What it reads the list with is the baseline of ``variants.py``.
"""

import logging
from pathlib import Path
from typing import Any

import httpx
from synapse.module_api import ModuleApi
from variants import baseline

logger = logging.getLogger(__name__)


class UsualWay:
    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        self._api = api
        self._url = config["url"]
        self._read = baseline(Path(config["directory"]))
        self._whitelist = api._hs.config.federation.federation_domain_whitelist
        self._model: Any = None
        self._busy = False
        api.looping_background_call(self._refresh, 1000, run_on_all_instances=True)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> dict[str, Any]:
        return config

    async def _refresh(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            model = await self._api.defer_to_thread(self._fetch)
        finally:
            self._busy = False
        if model is None:
            return
        self._model = model
        self._whitelist.clear()
        self._whitelist.update(dict.fromkeys(model.domains, True))
        logger.info("Federation list version %d in force", model.version)

    def _fetch(self) -> Any:
        version = self._model.version if self._model is not None else 0
        answer = httpx.get(self._url, params={"version": version}, trust_env=False, timeout=60)
        return self._read(answer.content) if answer.status_code == 200 else None

"""Runs moto with tags on scalable targets, which it leaves out; called by path, with moto's own arguments.

Terraform's provider reads the tags of every target, and takes an answer that is none for a server to try again.
"""

import json

from moto.applicationautoscaling import urls
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.server import main


class TaggedTargets(ApplicationAutoScalingResponse):
    """Application Auto Scaling as moto has it, and its tags.

    Attributes:
        tags: of each target, by its ARN.
    """

    tags: dict[str, dict[str, str]] = {}  # noqa: RUF012 - moto makes an instance for each request

    def register_scalable_target(self) -> str:
        """Register a target, or update it; the tags it was registered with stay."""
        answer = super().register_scalable_target()
        self.tags.setdefault(json.loads(answer)["ScalableTargetARN"], self._get_param("Tags") or {})
        return answer

    def list_tags_for_resource(self) -> str:
        """Tell a target's tags."""
        return json.dumps({"Tags": self.tags.get(self._get_param("ResourceARN"), {})})

    def tag_resource(self) -> str:
        """Set some of a target's tags."""
        self.tags[self._get_param("ResourceARN")] |= self._get_param("Tags")
        return "{}"

    def untag_resource(self) -> str:
        """Take some of a target's tags away."""
        for key in self._get_param("TagKeys"):
            self.tags[self._get_param("ResourceARN")].pop(key, None)
        return "{}"


if __name__ == "__main__":
    urls.url_paths = dict.fromkeys(urls.url_paths, TaggedTargets.dispatch)
    main()

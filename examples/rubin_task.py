"""Score the DIA sources of an exposure in Rubin's pipelines, in the place of the task of meas_transiNet.

The connections are those of ``lsst.meas.transiNet.RBTransiNetTask`` without its model from the butler: a pipeline
changes the class of a task, and no type of a data set::

    tasks:
      rbClassify:
        class: rubin_task.RealBogusTask
        config:
          model: default

It needs the LSST Science Pipelines (``lsst.pipe.base``, ``lsst.pex.config``, ``lsst.afw.table``).
"""

from __future__ import annotations

from typing import Any

import lsst.afw.table
import lsst.pex.config
import lsst.pipe.base
import numpy as np
from lsst.pipe.base import connectionTypes

import space2vec as s2v

__all__ = ["RealBogusConfig", "RealBogusConnections", "RealBogusTask"]

_DIMENSIONS = ("instrument", "visit", "detector")


class RealBogusConnections(
    lsst.pipe.base.PipelineTaskConnections,
    dimensions=_DIMENSIONS,
    defaultTemplates={"coaddName": "deep", "fakesType": ""},
):
    """What the task takes from the butler, and what it puts there."""

    template = connectionTypes.Input(
        doc="Template, warped to the science exposure.",
        name="{fakesType}{coaddName}Diff_templateExp",
        storageClass="ExposureF",
        dimensions=_DIMENSIONS,
    )
    science = connectionTypes.Input(
        doc="Science exposure.",
        name="{fakesType}calexp",
        storageClass="ExposureF",
        dimensions=_DIMENSIONS,
    )
    difference = connectionTypes.Input(
        doc="Science minus template.",
        name="{fakesType}{coaddName}Diff_differenceExp",
        storageClass="ExposureF",
        dimensions=_DIMENSIONS,
    )
    diaSources = connectionTypes.Input(  # noqa: N815
        doc="Sources detected on the difference.",
        name="{fakesType}{coaddName}Diff_candidateDiaSrc",
        storageClass="SourceCatalog",
        dimensions=_DIMENSIONS,
    )
    classifications = connectionTypes.Output(
        doc="Score of each source, in the order of diaSources.",
        name="{fakesType}{coaddName}RealBogusSources",
        storageClass="Catalog",
        dimensions=_DIMENSIONS,
    )


class RealBogusConfig(lsst.pipe.base.PipelineTaskConfig, pipelineConnections=RealBogusConnections):
    """Which model scores."""

    model = lsst.pex.config.Field(
        dtype=str, default="default", doc="Name of a model that space2vec packages, or path of a model file."
    )


# [task]
class RealBogusTask(lsst.pipe.base.PipelineTask):
    """Score the sources of a difference image by their pixels in it, the science exposure and the template."""

    _DefaultName = "realBogus"
    ConfigClass = RealBogusConfig

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = s2v.load(self.config.model)

    def run(self, template: Any, science: Any, difference: Any, diaSources: Any) -> Any:  # noqa: N803
        """Return a catalog with id, score (P(real), NaN where there is none) and score_flags of each source.

        Parameters
        ----------
        template, science, difference : lsst.afw.image.ExposureF
            Images on one pixel grid, with their masks and XY0.
        diaSources : lsst.afw.table.SourceCatalog
            With centroids in the frame of XY0.

        Returns
        -------
        lsst.pipe.base.Struct
            Its ``classifications`` are an lsst.afw.table.BaseCatalog, row for row that of the sources.
        """
        sources = diaSources if diaSources.isContiguous() else diaSources.copy(deep=True)
        x, y = (np.asarray(sources[f"slot_Centroid_{axis}"], dtype=float) for axis in "xy")
        found = s2v.locate(science, template, difference, x=x, y=y, candidate_id=np.asarray(sources["id"]))
        scores = self.model.score(found)
        schema = lsst.afw.table.Schema()
        schema.addField(sources.schema["id"].asField())
        schema.addField("score", type=float, doc="P(real); NaN where score_flags forbids a score.")
        schema.addField("score_flags", type="L", doc="Bits that space2vec.flag_names explains.")
        classifications = lsst.afw.table.BaseCatalog(schema)
        classifications.resize(len(sources))
        classifications["id"] = sources["id"]
        classifications["score"] = scores.score
        classifications["score_flags"] = scores.flags
        self.log.info("Scored %d of %d sources.", int(np.isfinite(scores.score).sum()), len(sources))
        return lsst.pipe.base.Struct(classifications=classifications)


# [/task]

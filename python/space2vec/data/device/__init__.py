"""Arrays on CUDA devices, our own and those of other libraries; imported only when a device is used.

``extension`` finds the compiled module and the devices. ``view`` describes arrays of CuPy, PyTorch and others without a
copy. ``array`` owns device memory and allocates in these libraries. ``dlpack`` exchanges arrays, ``event`` orders work
on streams, and ``page_locked`` allocates host memory that a device copies fastest.
"""

from __future__ import annotations

from space2vec.data.device.array import DeviceArray
from space2vec.data.device.extension import devices, unavailable_reason

__all__ = ["DeviceArray", "devices", "unavailable_reason"]

"""Arrays on CUDA devices, wherever they come from; nothing of it is imported before a device is asked for or met.

``extension`` finds the compiled module and the device, ``view`` looks at arrays of CuPy, PyTorch and others where they
lie, ``array`` owns device memory and knows these libraries, ``dlpack`` exchanges it, ``event`` orders the work on it;
``page_locked`` is memory of the host that devices copy fastest.
"""

from __future__ import annotations

from space2vec.data.device.array import DeviceArray
from space2vec.data.device.extension import devices, trouble

__all__ = ["DeviceArray", "devices", "trouble"]

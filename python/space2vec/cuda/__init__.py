"""The CUDA backend's Python face; nothing of it is imported before a device is asked for or met.

``extension`` finds the compiled module and the device, ``view`` looks at arrays of CuPy, PyTorch and others where they
lie, ``device_array`` owns device memory, ``kernels`` calls the kernels on data in place, and ``pipeline`` takes stamps
of the host through a device, in bounded memory.
"""

from __future__ import annotations

from space2vec.cuda.device_array import DeviceArray
from space2vec.cuda.extension import devices, trouble

__all__ = ["DeviceArray", "devices", "trouble"]

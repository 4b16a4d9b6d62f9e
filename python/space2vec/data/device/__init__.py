"""The CUDA backend's Python face; nothing of it is imported before a device is asked for or met.

``backend`` is a device as a backend; ``extension`` finds the compiled module and the device, ``view`` looks at arrays
of CuPy, PyTorch and others where they lie, ``libraries`` has memory of theirs beside such an array, ``device_array``
owns device memory, ``pipeline`` takes batches of the host through a device, in bounded memory, and ``slots`` says what
is begun there with a batch, and has the memory for it; ``page_locked`` is memory of the host that devices copy fastest.
"""

from __future__ import annotations

from space2vec.data.device.array import DeviceArray
from space2vec.data.device.extension import devices, trouble

__all__ = ["DeviceArray", "devices", "trouble"]

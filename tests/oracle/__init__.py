"""The definitions in plain NumPy and SciPy, float64: what the kernels are held against."""

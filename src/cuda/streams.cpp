// space2vec._cuda: streams and events.
#include "register.hpp"

namespace py = pybind11;

namespace {

using s2v::cuda::check;
using s2v::cuda::OnDevice;

// It does not wait for the legacy default stream, nor that for it.
Address stream_create(int device) {
    const OnDevice here(device);
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    return reinterpret_cast<Address>(stream);
}

void stream_destroy(int device, Address stream) {
    give_back(device, [&] { cudaStreamDestroy(at<CUstream_st>(stream)); });
}

void stream_wait(int device, Address stream) {
    const OnDevice here(device);
    check(cudaStreamSynchronize(at<CUstream_st>(stream)), "the work of a stream");
}

void device_wait(int device) {
    const OnDevice here(device);
    check(cudaDeviceSynchronize(), "the work of a device");
}

// Whether what is begun on a stream goes into a graph instead of to the device; or would have to, and cannot.
bool stream_captured(int device, Address stream) {
    const OnDevice here(device);
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    const cudaError_t error = cudaStreamIsCapturing(at<CUstream_st>(stream), &status);
    if (error == cudaErrorStreamCaptureImplicit) {  // the legacy default stream, while another one is captured
        cudaGetLastError();
        return true;
    }
    check(error, "cudaStreamIsCapturing");
    return status != cudaStreamCaptureStatusNone;
}

// Who waits for it leaves the processor to others.
Address event_create(int device) {
    const OnDevice here(device);
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventBlockingSync), "cudaEventCreate");
    return reinterpret_cast<Address>(event);
}

void event_destroy(int device, Address event) {
    give_back(device, [&] { cudaEventDestroy(at<CUevent_st>(event)); });
}

void event_record(int device, Address event, Address stream) {
    const OnDevice here(device);
    check(cudaEventRecord(at<CUevent_st>(event), at<CUstream_st>(stream)), "cudaEventRecord");
}

void stream_wait_event(int device, Address stream, Address event) {
    const OnDevice here(device);
    check(cudaStreamWaitEvent(at<CUstream_st>(stream), at<CUevent_st>(event)), "cudaStreamWaitEvent");
}

void event_wait(int device, Address event) {
    const OnDevice here(device);
    check(cudaEventSynchronize(at<CUevent_st>(event)), "the work before an event");
}

float event_milliseconds(int device, Address begin, Address end) {
    const OnDevice here(device);
    float took = 0.0F;
    check(cudaEventElapsedTime(&took, at<CUevent_st>(begin), at<CUevent_st>(end)), "cudaEventElapsedTime");
    return took;
}

}  // namespace

void register_streams(py::module_ &module) {
    using Released = py::call_guard<py::gil_scoped_release>;
    module.def("stream_create", &stream_create, Released(), py::arg("device"));
    module.def("stream_destroy", &stream_destroy, Released(), py::arg("device"), py::arg("stream"));
    module.def("stream_wait", &stream_wait, Released(), py::arg("device"), py::arg("stream"));
    module.def("stream_captured", &stream_captured, Released(), py::arg("device"), py::arg("stream"));
    module.def("device_wait", &device_wait, Released(), py::arg("device"));
    module.def("event_create", &event_create, Released(), py::arg("device"));
    module.def("event_destroy", &event_destroy, Released(), py::arg("device"), py::arg("event"));
    module.def("event_record", &event_record, Released(), py::arg("device"), py::arg("event"), py::arg("stream"));
    module.def("stream_wait_event", &stream_wait_event, Released(), py::arg("device"), py::arg("stream"),
               py::arg("event"));
    module.def("event_wait", &event_wait, Released(), py::arg("device"), py::arg("event"));
    module.def("event_milliseconds", &event_milliseconds, Released(), py::arg("device"), py::arg("begin"),
               py::arg("end"));
}

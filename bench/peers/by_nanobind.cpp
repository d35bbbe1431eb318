// by_nanobind.cpp - the work of bench_call.py, bound by nanobind.
#include <cstdint>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>
#include <string>
#include <string_view>
#include <vector>

namespace nb = nanobind;

struct user {
    int64_t id;
    std::string name;
    double score;
    bool active;
    int32_t level;
};

static int64_t add(int64_t a, int64_t b)
{
    return static_cast<int64_t>(static_cast<uint64_t>(a) +
                                static_cast<uint64_t>(b));
}

using buffer =
    nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

NB_MODULE(by_nanobind, m)
{
    m.def("add", &add);
    m.def("add_unlocked", &add, nb::call_guard<nb::gil_scoped_release>());
    m.def("multiply", [](double a, double b) { return a * b; });
    m.def("text_length", [](std::string_view text) { return text.size(); });
    m.def("echo_text", [](std::string_view text) { return text; });
    m.def("echo_ints", [](std::vector<int64_t> values) { return values; });
    m.def("count_reals",
          [](const std::vector<double> &values) { return values.size(); });
    m.def("count_buffer", [](buffer values) { return values.shape(0); });
    nb::class_<user>(m, "user")
        .def(nb::init<int64_t, std::string, double, bool, int32_t>())
        .def_rw("id", &user::id)
        .def_rw("name", &user::name)
        .def_rw("score", &user::score)
        .def_rw("active", &user::active)
        .def_rw("level", &user::level);
    m.def("echo_user", [](const user &given) { return given; });
}

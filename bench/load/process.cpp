#include "load/process.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace bench {

std::chrono::nanoseconds cpu_time(pid_t process) {
    const std::filesystem::path tasks = "/proc/" + std::to_string(process) + "/task";
    std::uint64_t total = 0;
    std::error_code none;
    for (const auto& task : std::filesystem::directory_iterator(tasks, none)) {
        std::uint64_t on_cpu = 0;  // the first number of schedstat
        std::ifstream(task.path() / "schedstat") >> on_cpu;
        total += on_cpu;
    }
    return std::chrono::nanoseconds(total);
}

}  // namespace bench

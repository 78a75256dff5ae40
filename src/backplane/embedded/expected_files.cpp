#include "backplane/embedded/expected_files.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

namespace eventbus {
namespace {

constexpr std::string_view kName = "EXPECTED";
constexpr std::string_view kNoBootId = "-";

// RocksDB numbers its files upwards, and 1'000'000 has a digit more than 999'999.
bool is_earlier(const std::string& a, const std::string& b) {
    return std::pair(a.size(), a) < std::pair(b.size(), b);
}

}  // namespace

std::string machine_boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;
}

ExpectedFiles::ExpectedFiles(rocksdb::Env& env, std::filesystem::path folder, std::string boot_id)
    : env_(env), folder_(std::move(folder)), boot_id_(std::move(boot_id)) {}

ExpectedFiles::~ExpectedFiles() = default;

void ExpectedFiles::note(const File& manifest, const File& wal, bool is_synced) {
    if (is_synced) synced_ = wal;
    std::ostringstream text;
    text << manifest.name << ' ' << manifest.bytes << '\n'
         << synced_.name << ' ' << synced_.bytes << '\n'
         << wal.name << ' ' << wal.bytes << ' ' << (boot_id_.empty() ? kNoBootId : boot_id_)
         << '\n';
    std::string now = text.str();
    if (now == said_) return;
    if (!file_) {
        const std::string path = (folder_ / kName).string();
        if (!env_.FileExists(path).ok()) rocksdb::WriteStringToFile(&env_, "", path);
        env_.NewRandomRWFile(path, &file_, rocksdb::EnvOptions());
    }
    // What a longer one leaves behind it is not read.
    if (file_ && file_->Write(0, now).ok()) said_ = std::move(now);
}

void ExpectedFiles::sync() {
    if (file_) file_->Sync();
}

std::optional<ExpectedFiles::Said> ExpectedFiles::read() const {
    std::string text;
    if (!rocksdb::ReadFileToString(&env_, (folder_ / kName).string(), &text).ok()) return {};
    std::istringstream in(text);
    Said said;
    for (File* const file : {&said.manifest, &said.synced, &said.written}) {
        in >> file->name >> file->bytes;
    }
    in >> said.boot_id;
    return in ? std::optional(std::move(said)) : std::nullopt;
}

std::string ExpectedFiles::missing_of_manifest() const {
    const std::optional<Said> said = read();
    std::string current;
    // What CURRENT names, and is not there, RocksDB itself does not open.
    if (!said || !rocksdb::ReadFileToString(&env_, (folder_ / "CURRENT").string(), &current).ok()) {
        return "";
    }
    current.resize(std::min(current.size(), current.find('\n')));
    if (is_earlier(current, said->manifest.name)) {
        return "CURRENT in " + folder_.string() + " names " + current +
               ", and the server had come to " + said->manifest.name;
    }
    return compare(said->manifest, current);
}

std::string ExpectedFiles::missing_of_wal() const {
    const std::optional<Said> said = read();
    if (!said) return "";
    std::vector<std::string> names;
    env_.GetChildren(folder_.string(), &names);
    std::string newest;
    for (const std::string& name : names) {
        if (name.ends_with(".log") && is_earlier(newest, name)) newest = name;
    }
    const bool is_same_life = !boot_id_.empty() && said->boot_id == boot_id_;
    return compare(is_same_life ? said->written : said->synced, newest);
}

// `newest`: of the files of its kind.
std::string ExpectedFiles::compare(const File& expected, const std::string& newest) const {
    const std::string had = std::to_string(expected.bytes);
    if (is_earlier(newest, expected.name)) {
        return expected.name + " is missing in " + folder_.string() + ", and had " + had +
               " bytes when the server last wrote there";
    }
    std::uint64_t bytes = 0;
    if (newest != expected.name || !env_.GetFileSize((folder_ / newest).string(), &bytes).ok() ||
        bytes >= expected.bytes) {
        return "";
    }
    return newest + " in " + folder_.string() + " has " + std::to_string(bytes) +
           " bytes, and had " + had + " when the server last wrote there";
}

void ExpectedFiles::forget(const std::filesystem::path& folder) {
    std::error_code why;  // one that stays is told at the start
    std::filesystem::remove(folder / kName, why);
}

}  // namespace eventbus

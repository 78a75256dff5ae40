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
constexpr std::string_view kSequence = "sequence";

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

bool is_special_file(const std::filesystem::path& path) {
    std::error_code why;
    const std::filesystem::file_status status = std::filesystem::status(path, why);
    return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
}

ExpectedFiles::ExpectedFiles(rocksdb::Env& env, std::filesystem::path folder, std::string boot_id)
    : env_(env), folder_(std::move(folder)), boot_id_(std::move(boot_id)) {}

ExpectedFiles::~ExpectedFiles() = default;

void ExpectedFiles::note(const File& manifest, const Wal& wal, bool is_synced) {
    if (is_synced) synced_ = wal;
    std::ostringstream text;
    text << manifest.name << ' ' << manifest.bytes << '\n'
         << synced_.newest.name << ' ' << synced_.newest.bytes << '\n'
         << wal.newest.name << ' ' << wal.newest.bytes << ' '
         << (boot_id_.empty() ? kNoBootId : boot_id_) << '\n'
         << kSequence << ' ' << synced_.sequence << ' ' << wal.sequence << '\n';
    std::string now = text.str();
    if (now == text_) return;
    if (!file_) {
        const std::filesystem::path path = folder_ / kName;
        if (is_special_file(path)) return;
        if (!env_.FileExists(path.string()).ok()) {
            rocksdb::WriteStringToFile(&env_, "", path.string());
        }
        env_.NewRandomRWFile(path.string(), &file_, rocksdb::EnvOptions());
    }
    // What a longer one leaves behind it is not read.
    if (file_ && file_->Write(0, now).ok()) text_ = std::move(now);
}

void ExpectedFiles::sync() {
    if (file_) file_->Sync();
}

std::string ExpectedFiles::read() {
    said_.reset();
    const std::string path = (folder_ / kName).string();
    if (is_special_file(path)) return path + " is not a regular file: remove it";
    if (env_.FileExists(path).IsNotFound()) return "";
    std::string text;
    const rocksdb::Status status = rocksdb::ReadFileToString(&env_, path, &text);
    if (!status.ok()) return status.ToString();
    said_ = parse(text);
    return said_ ? "" : path + " is not as the server writes it";
}

std::optional<ExpectedFiles::Said> ExpectedFiles::parse(const std::string& text) {
    std::istringstream in(text);
    Said said;
    for (File* const file : {&said.manifest, &said.synced.newest, &said.written.newest}) {
        in >> file->name >> file->bytes;
    }
    in >> said.boot_id;
    if (!in) return std::nullopt;
    // A server that did not say it leaves what was there.
    std::string label;
    std::uint64_t synced = 0;
    std::uint64_t written = 0;
    if (in >> label >> synced >> written && label == kSequence) {
        said.synced.sequence = synced;
        said.written.sequence = written;
    }
    return said;
}

std::string ExpectedFiles::missing_of_manifest() const {
    std::string current;
    // What CURRENT names, and is not there, RocksDB itself does not open.
    if (!said_ ||
        !rocksdb::ReadFileToString(&env_, (folder_ / "CURRENT").string(), &current).ok()) {
        return "";
    }
    current.resize(std::min(current.size(), current.find('\n')));
    if (is_earlier(current, said_->manifest.name)) {
        return "CURRENT in " + folder_.string() + " names " + current +
               ", and the server had come to " + said_->manifest.name;
    }
    return compare(said_->manifest, current);
}

std::string ExpectedFiles::missing_of_wal() const {
    if (!said_) return "";
    std::vector<std::string> names;
    env_.GetChildren(folder_.string(), &names);
    std::string newest;
    for (const std::string& name : names) {
        if (name.ends_with(".log") && is_earlier(newest, name)) newest = name;
    }
    return compare(last_wal().newest, newest);
}

std::string ExpectedFiles::missing_of_entries(std::uint64_t sequence) const {
    if (!said_ || sequence >= last_wal().sequence) return "";
    return "the write-ahead logs in " + folder_.string() + " end at entry " +
           std::to_string(sequence) + ", and the server had come to " +
           std::to_string(last_wal().sequence);
}

// That must be there.
const ExpectedFiles::Wal& ExpectedFiles::last_wal() const {
    const bool is_same_life = !boot_id_.empty() && said_->boot_id == boot_id_;
    return is_same_life ? said_->written : said_->synced;
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

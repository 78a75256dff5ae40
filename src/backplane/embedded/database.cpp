#include "backplane/embedded/database.h"

#include <fmt/format.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/transaction_log.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <utility>

#include "base/diagnostics.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetryMax{30'000};
constexpr std::size_t kLineBytesMax = 512;
constexpr std::ptrdiff_t kLogsMax = 16;  // write-ahead logs of openings that wrote little

// What RocksDB says about itself. Its own file of lines is not for us: each start makes another,
// and on a full disk the first line that does not fit aborts the process (an assertion in Debian's
// build, about a file that is written to after an error).
class Lines final : public rocksdb::Logger {
 public:
    explicit Lines(std::string name)
        : Logger(rocksdb::InfoLogLevel::ERROR_LEVEL), name_(std::move(name)) {}

    using Logger::Logv;
    void Logv(const char* format, va_list parts) override {
        std::array<char, kLineBytesMax> line{};
        std::vsnprintf(line.data(), line.size(), format, parts);
        std::string reason(line.data());
        reason.erase(reason.find_last_not_of(" \n") + 1);
        diagnostics::warn("RocksDB has an error", {{"store", name_}, {"reason", reason}});
    }

 private:
    const std::string name_;
};

// Passes with the load or with what else lies on the disk, so that it can be waited for.
bool is_passing(const rocksdb::Status& status) {
    return status.IsNoSpace() || status.ToString().find("Too many open files") != std::string::npos;
}

// Of a table that is missing RocksDB names the file that it tried last, of a name that no table has
// here.
std::string in_words(const rocksdb::Status& damage) {
    std::string what = damage.ToString();
    if (what.find("No such file") == std::string::npos) return what;
    const std::size_t at = what.find(".ldb");
    if (at != std::string::npos) what.replace(at, 4, ".sst");
    return what + "; if you have the file, put it back";
}

// RocksDB counts its files from 1, and has the upper bits of the number for itself.
bool is_log_of_odd_number(std::string_view name) {
    if (!name.ends_with(".log")) return false;
    name.remove_suffix(4);
    const bool is_number =
        !name.empty() && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
    name.remove_prefix(std::min(name.find_first_not_of('0'), name.size()));
    return is_number && (name.empty() || name.size() > 15);
}

// A log that the manifest names is missing, or shorter.
bool is_about_wal(const rocksdb::Status& status) {
    const std::string what = status.ToString();
    return what.find("Missing WAL") != std::string::npos ||
           what.find("Size mismatch: WAL") != std::string::npos;
}

}  // namespace

// What fails in RocksDB's own threads. It would repair itself, by writing on.
class Database::Watch final : public rocksdb::EventListener {
 public:
    void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
        if (status->severity() < rocksdb::Status::Severity::kHardError) return;
        const std::lock_guard lock(mutex_);
        why_ = status->ToString();
    }
    void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status status,
                              bool* repairs_itself) override {
        // A compaction that has no room is nothing but put off.
        *repairs_itself = status.severity() < rocksdb::Status::Severity::kHardError;
    }

    // Empty: nothing.
    std::string why() const {
        const std::lock_guard lock(mutex_);
        return why_;
    }

 private:
    mutable std::mutex mutex_;
    std::string why_;
};

Result<std::unique_ptr<Database>> Database::open(Settings settings) {
    std::unique_ptr<Database> database(new Database(std::move(settings)));
    if (const Result<> opened = database->open_first(); !opened) return opened.error();
    database->lock_file_ = file_at(database->path_ / "LOCK").value_or(File{});
    return database;
}

Database::Database(Settings settings)
    : settings_(std::move(settings)),
      path_(settings_.data_dir / settings_.folder),
      env_(settings_.env != nullptr ? *settings_.env : *rocksdb::Env::Default()),
      disk_(settings_.name, settings_.stalled_after),
      expected_(env_, path_, settings_.boot_id.empty() ? machine_boot_id() : settings_.boot_id),
      pause_(settings_.retry_after) {}

// What is on disk at a clean end is known to the byte.
Database::~Database() {
    const bool is_whole = is_for_writing_ && look_at_place();
    if (is_whole) is_synced_ = db_->SyncWAL().ok();
    close();
    if (!is_whole || !has_its_manifest() || !is_there(wal_)) return;
    note_files();
    expected_.sync();
}

// ---- opening ------------------------------------------------------------------------------------

Result<> Database::open_first() {
    const bool is_new = !env_.FileExists((path_ / "CURRENT").string()).ok();
    if (is_new && settings_.is_copy && rest_without_current().empty()) {
        return Error{ErrorCode::kNotFound,
                     "there is nothing of " + settings_.name + " in " + path_.string()};
    }
    look_at_space();
    // Else RocksDB calls it an error that there is none.
    const rocksdb::Status made = env_.CreateDirIfMissing(path_.string());
    if (!made.ok()) return can_not_open(made);
    if (has_room_ || is_new) {
        const Result<> opened = open_for_writing(true);
        if (opened) return {};
        if (!may_pass_ || is_new) return opened.error();
        note_failure(opened.error().detail);
        diagnostics::error("a store cannot be written yet, so it is read only",
                           {{"store", settings_.name}, {"reason", opened.error().detail}});
    }
    return open_for_reading();
}

Result<> Database::open_for_writing(bool is_first) {
    const rocksdb::Status status = open_as(Way::kWriting);
    may_pass_ = is_passing(status);
    if (!status.ok()) return can_not_open(status);
    Result<bool> is_current = has_current_format(Way::kWriting);
    Result<> done = is_current ? Result<>() : is_current.error();
    if (done) {
        done = settings_.prepare ? settings_.prepare({*db_, *this, is_first, lost_its_end_})
                                 : Result<>();
    }
    if (done && !*is_current) {
        rocksdb::WriteOptions synced;
        synced.sync = true;
        const rocksdb::Status put =
            db_->Put(synced, settings_.format_key, settings_.formats.back());
        may_pass_ = is_passing(put);
        if (!put.ok()) done = can_not_open(put);
    }
    if (!done) {
        close();
        return done.error();
    }
    // What follows from it is on disk now. A mark that stays has it followed again, which is safe.
    if (lost_its_end_) env_.DeleteFile(lost_end_mark());
    is_for_writing_ = true;
    if (Result<> swept = sweep_empty_logs(); !swept) {
        close();
        return swept;
    }
    // What is there now is what was opened.
    manifest_ = {};
    wal_ = {};
    has_its_manifest();
    has_its_wal();
    is_synced_ = true;
    sequence_ = db_->GetLatestSequenceNumber();
    note_files();
    expected_.sync();
    state_ = current_state();
    return {};
}

// Each opening leaves a log behind, and RocksDB removes them only when a memtable becomes a table,
// which never happens to a store that is opened often and seldom written to.
Result<> Database::sweep_empty_logs() {
    std::vector<std::string> names;
    env_.GetChildren(path_.string(), &names);
    const auto is_log = [](const std::string& name) { return name.ends_with(".log"); };
    if (std::count_if(names.begin(), names.end(), is_log) <= kLogsMax) return {};
    rocksdb::Status status = db_->Put({}, settings_.format_key, settings_.formats.back());
    if (status.ok()) status = db_->Flush({});
    may_pass_ = is_passing(status);
    return status.ok() ? Result<>() : can_not_open(status);
}

Result<> Database::open_for_reading() {
    const rocksdb::Status status = open_as(Way::kReading);
    if (!status.ok()) return can_not_open(status);
    const Result<bool> is_current = has_current_format(Way::kReading);
    if (is_current) return {};
    close();
    return is_current.error();
}

rocksdb::Status Database::open_as(Way way) {
    using rocksdb::WALRecoveryMode;
    lost_its_end_ = false;
    has_told_damage_ = false;
    if (const std::string rest = rest_without_current(); !rest.empty()) {
        return rocksdb::Status::Corruption("the file CURRENT is missing in " + path_.string() +
                                           ", which still holds " + rest +
                                           "; if you have CURRENT, put it back");
    }
    if (const std::string why = odd_file(); !why.empty()) {
        return rocksdb::Status::Corruption(why);
    }
    // The files of a copy are of different moments.
    if (const std::string why = settings_.is_copy ? "" : expected_.read(); !why.empty()) {
        diagnostics::warn(
            "the server cannot read which files a store must have, so it does not notice this time "
            "if some of them were lost",
            {{"store", settings_.name}, {"reason", why}});
    }
    if (const std::string rest = expected_.missing_of_manifest(); !rest.empty()) {
        return rocksdb::Status::Corruption(rest +
                                           "; if you have the file of then, put it back; of a copy "
                                           "of a running server, run `eventbus restore` first");
    }
    watch_ = std::make_shared<Watch>();
    rocksdb::Options options;
    options.env = &env_;
    options.create_if_missing = true;
    options.info_log = std::make_shared<Lines>(settings_.name);
    options.listeners = {watch_};
    options.max_bgerror_resume_count = 0;
    options.write_buffer_size = settings_.memtable_bytes;
    options.memtable_insert_with_hint_prefix_extractor = settings_.growing_groups;
    options.max_total_wal_size = settings_.wal_bytes_max;
    options.max_background_jobs = 2;
    options.max_open_files = settings_.open_files_max;
    options.stats_dump_period_sec = 0;  // nobody reads them, and a thread would wake for each
    options.stats_persist_period_sec = 0;
    options.compression = settings_.compresses ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
    // An end that was cut off in a crash was never synced, so never acknowledged. Anything else
    // that is wrong is not taken silently.
    options.wal_recovery_mode = WALRecoveryMode::kTolerateCorruptedTailRecords;
    // Of the logs that are closed and synced, which a kill -9 leaves where a memtable was on its
    // way to a table, the manifest says that they must be there. For reading RocksDB must look,
    // too: it could not write that it did not, and would end the process.
    options.track_and_verify_wals_in_manifest = !settings_.is_copy || way == Way::kReading;
    wal_check_ = std::make_unique<WalCheck>(env_, path_);
    options.wal_filter = wal_check_->filter();
    std::string why = expected_.missing_of_wal();
    bool has_lost = !why.empty();
    if (has_lost && way == Way::kWriting) {
        rocksdb::Status marked = mark_lost_end(why);
        if (!marked.ok()) return marked;
    }
    rocksdb::DB* opened = nullptr;
    rocksdb::Status status = open_with(options, way, &opened);
    if (status.IsCorruption()) {
        has_lost = true;
        const std::string& hole = wal_check_->hole();
        why = hole.empty() ? status.ToString()
                           : "in the write-ahead logs in " + path_.string() + ", " + hole;
        status = open_without_end(options, way, why, &opened);
    } else if (status.ok() && !has_lost && env_.FileExists(lost_end_mark()).ok()) {
        has_lost = true;
        rocksdb::ReadFileToString(&env_, lost_end_mark(), &why);
    } else if (status.ok() && !has_lost) {
        why = expected_.missing_of_entries(opened->GetLatestSequenceNumber());
        has_lost = !why.empty();
        if (has_lost && way == Way::kWriting) status = mark_lost_end(why);
        if (!status.ok()) delete std::exchange(opened, nullptr);
    }
    if (status.ok() && has_lost) {
        lost_its_end_ = true;
        probe_.damages.add();
        diagnostics::error(
            "the end of a store is damaged or missing, and it is used without it: what was written "
            "last may be lost; look at the disk",
            {{"store", settings_.name}, {"reason", why}});
    }
    const std::lock_guard lock(mutex_);
    db_.reset(opened);
    return status;
}

// A file of a store that has no CURRENT any more; empty: there is none. RocksDB would take the
// folder for a new store, and delete all that is in it.
std::string Database::rest_without_current() const {
    if (env_.FileExists((path_ / "CURRENT").string()).ok()) return "";
    std::vector<std::string> names;
    env_.GetChildren(path_.string(), &names);
    // A first start that was killed leaves its first manifest, in which nothing is.
    const auto is_of_store = [](const std::filesystem::path& name) {
        return name.extension() == ".sst" || name.extension() == ".log" ||
               (name.string().starts_with("MANIFEST-") && name != "MANIFEST-000001");
    };
    const auto rest = std::find_if(names.begin(), names.end(), is_of_store);
    return rest == names.end() ? "" : *rest;
}

// A file that RocksDB would open and then wait for, maybe forever: a pipe, a device or a socket, or
// a folder as CURRENT. Or one for which it would end the process: a write-ahead log of a number
// that none can have. Empty: there is none. Of EXPECTED a warning is enough.
std::string Database::odd_file() const {
    std::vector<std::string> names;
    env_.GetChildren(path_.string(), &names);
    for (const std::string& name : names) {
        std::error_code why;
        const bool is_folder = std::filesystem::is_directory(path_ / name, why);
        if (name == "EXPECTED" || (is_folder && name != "CURRENT")) continue;
        if (is_special_file(path_ / name)) {
            return name + " in " + path_.string() +
                   " is not a regular file; if you have the file, put it back";
        }
        if (is_log_of_odd_number(name)) {
            return name + " in " + path_.string() +
                   " is not a write-ahead log that a server wrote; move it away";
        }
    }
    return "";
}

// As after a loss of power on a disk that does not keep its promises.
rocksdb::Status Database::open_without_end(rocksdb::Options& options, Way way,
                                           const std::string& damage, rocksdb::DB** opened) {
    const bool was_marked = env_.FileExists(lost_end_mark()).ok();
    if (way == Way::kWriting) {
        // RocksDB writes anew what it could read, so the damage is not found a second time: the
        // mark tells a start that follows a crash.
        rocksdb::Status marked = mark_lost_end(damage);
        if (!marked.ok()) return marked;
    }
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    options.wal_filter = nullptr;
    options.track_and_verify_wals_in_manifest = way == Way::kReading;
    rocksdb::Status status = open_with(options, way, opened);
    // The damage is elsewhere, as a table that is missing: once that is put right nothing is lost.
    if (status.IsCorruption() && way == Way::kWriting && !was_marked) {
        env_.DeleteFile(lost_end_mark());
    }
    if (way == Way::kReading && !has_room_ && is_about_wal(status)) {
        return rocksdb::Status::NoSpace("it is not opened without what it lost (" + damage + ")");
    }
    return status;
}

rocksdb::Status Database::mark_lost_end(const std::string& why) {
    return rocksdb::WriteStringToFile(&env_, why, lost_end_mark(), true);
}

std::string Database::lost_end_mark() const { return (path_ / "LOST_END").string(); }

rocksdb::Status Database::open_with(const rocksdb::Options& options, Way way,
                                    rocksdb::DB** opened) {
    if (way == Way::kWriting) return rocksdb::DB::Open(options, path_.string(), opened);
    // RocksDB takes this lock only to write; and who else writes here would not be seen.
    rocksdb::FileLock* lock = nullptr;
    rocksdb::Status locked = env_.LockFile((path_ / "LOCK").string(), &lock);
    if (!locked.ok()) return locked;
    rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, path_.string(), opened);
    if (status.ok()) {
        lock_ = lock;
    } else {
        env_.UnlockFile(lock);
    }
    return status;
}

// Whether it has the format that is written; an earlier one, and none, become it.
Result<bool> Database::has_current_format(Way way) {
    std::string format;
    const rocksdb::Status read = db_->Get({}, settings_.format_key, &format);
    if (read.IsNotFound() && way == Way::kWriting) return false;
    if (read.IsNotFound()) return can_not_open(rocksdb::Status::NoSpace("it was never written"));
    if (!read.ok()) return unreadable(read);
    const auto& formats = settings_.formats;
    if (std::find(formats.begin(), formats.end(), format) != formats.end()) {
        return format == formats.back();
    }
    return Error{ErrorCode::kUnavailable, settings_.name + " has format " + format +
                                              ", and this server knows " + formats.back() +
                                              ": start the newer server that wrote it"};
}

void Database::close() {
    state_ = State::kClosed;
    is_for_writing_ = false;
    const std::lock_guard lock(mutex_);
    db_.reset();
    if (lock_ != nullptr) env_.UnlockFile(std::exchange(lock_, nullptr));
}

// ---- the writer ---------------------------------------------------------------------------------

Database::State Database::look() {
    const DiskWatch::Wait wait(disk_);
    if (!look_at_place()) return State::kClosed;
    look_at_space();
    if (is_for_writing_) {
        note_files();
        if (const std::string why = watch_->why(); !why.empty()) fail(why);
    }
    if (!is_for_writing_ && has_room_ && std::chrono::steady_clock::now() >= next_try_) {
        open_again();
    }
    return state_ = current_state();
}

Result<> Database::write(rocksdb::WriteBatch& batch, bool sync) {
    if (!is_for_writing_) return Error{ErrorCode::kReadOnly, settings_.name + " is closed"};
    const DiskWatch::Wait wait(disk_);
    // A log that was cut off is as long as before once it is written to, and has a hole.
    if (!has_its_wal()) give_up_place();
    if (is_gone_) return Error{ErrorCode::kReadOnly, settings_.name + " is gone"};
    rocksdb::WriteOptions how;
    how.sync = sync;
    const std::string wal = wal_.path;
    rocksdb::Status status = db_->Write(how, &batch);
    if (!sync && !has_its_wal()) give_up_place();  // else look_at_place() asks
    const bool looks =
        sync || wal_.path != wal || std::chrono::steady_clock::now() - looked_at_ >= kPlaceEvery;
    if (is_gone_ || (looks && !look_at_place())) {
        return Error{ErrorCode::kReadOnly, settings_.name + " is gone"};
    }
    // The manifest says of a log only that is synced that it must be there (open_as()).
    if (status.ok() && !sync && wal_.path != wal) {
        status = db_->SyncWAL();
        sync = true;
    }
    if (status.ok()) {
        is_synced_ = sync;
        sequence_ = db_->GetLatestSequenceNumber();
        note_files();
        pause_ = settings_.retry_after;
        return {};
    }
    fail(status.ToString());
    return Error{ErrorCode::kReadOnly, status.ToString()};
}

void Database::fail(const std::string& why) {
    diagnostics::error(
        "a store could not be written; it is closed, and opened again when its disk allows: look "
        "at the disk",
        {{"store", settings_.name}, {"until_then", settings_.consequence}, {"reason", why}});
    note_failure(why);
    probe_.failures.add();
    close();
    put_off();
    if (const Result<> opened = open_for_reading(); !opened) {
        diagnostics::error("nor can it be read",
                           {{"store", settings_.name}, {"reason", opened.error().detail}});
    }
}

Error Database::read_failed(const rocksdb::Status& status) {
    if (status.IsCorruption() && !has_told_damage_.exchange(true)) {
        probe_.damages.add();
        diagnostics::error(
            "a block of a store is damaged, and what it holds cannot be read: look at the disk",
            {{"store", settings_.name},
             {"reason", status.ToString()},
             {"remedy", "stop the server, and " + settings_.remedy}});
    }
    return unreadable(status);
}

void Database::note_failure(const std::string& why) {
    const std::lock_guard lock(failure_mutex_);
    failure_ = why;
}

void Database::open_again() {
    close();
    const Result<> opened = open_for_writing(false);
    if (opened) {
        probe_.opened_again.add();
        return diagnostics::info("a store is open again", {{"store", settings_.name}});
    }
    fail(opened.error().detail);
}

void Database::put_off() {
    next_try_ = std::chrono::steady_clock::now() + pause_;
    pause_ = std::min(2 * pause_, kRetryMax);
}

// Below the bound nothing is taken, so that what waits, and RocksDB's own files, still have room.
void Database::look_at_space() {
    const std::uint64_t min = settings_.free_bytes_min;
    std::uint64_t free = ~std::uint64_t{0};
    // Its folder may be a mount of its own.
    if (!env_.GetFreeSpace(path().string(), &free).ok() &&
        !env_.GetFreeSpace(settings_.data_dir.string(), &free).ok()) {
        return;
    }
    const bool has_room = free >= (has_room_ ? min : room_to_go_on());
    if (has_room == has_room_) return;
    has_room_ = has_room;
    if (has_room) {
        return diagnostics::info("a disk has room again",
                                 {{"store", settings_.name}, {"free_bytes", std::to_string(free)}});
    }
    diagnostics::error("a disk is nearly full", {{"store", settings_.name},
                                                 {"until_there_is_room", settings_.consequence},
                                                 {"free_bytes", std::to_string(free)},
                                                 {"free_bytes_min", std::to_string(min)}});
}

// False: it is gone.
bool Database::look_at_place() {
    looked_at_ = std::chrono::steady_clock::now();
    if (!is_gone_ && !is_in_its_place()) give_up_place();
    return !is_gone_;
}

// What RocksDB would still do goes by the names of files, and would delete those of a copy that was
// put in the place; so it only reads from now on.
void Database::give_up_place() {
    diagnostics::error(
        "the folder of a store was removed or replaced while the server runs, or a file in it was "
        "cut off, and nothing is written to it until a restart: stop the server, put the folder "
        "back, and start it again",
        {{"store", settings_.name},
         {"folder", path_.string()},
         {"until_then", settings_.consequence}});
    is_gone_ = true;
    is_for_writing_ = false;
    state_ = State::kClosed;
    // To RocksDB a write-ahead log that is missing is none that was ever written.
    if (is_there(lock_file_)) mark_lost_end("files of it were removed, replaced or cut off");
    if (db_) {
        db_->DisableFileDeletions();
        rocksdb::CancelAllBackgroundWork(db_.get(), true);
    }
}

// What the disk does not say, as a network that is away, is taken to be as it was.
bool Database::is_in_its_place() {
    if (!is_there(lock_file_)) return false;
    if (!is_for_writing_) return manifest_named_by_current() != "";
    return has_its_manifest() && has_its_wal();
}

bool Database::has_its_manifest() {
    std::optional<std::string> named = manifest_named_by_current();
    for (;;) {
        if (!named) return true;
        // An earlier one comes from a copy. (1'000'000 has a digit more than 999'999.)
        if (std::pair(named->size(), *named) < std::pair(manifest_.path.size(), manifest_.path)) {
            return false;
        }
        if (*named != manifest_.path) {
            const std::optional<File> next = file_at(*named);
            if (!next) return true;
            manifest_ = *next;
        }
        if (manifest_.inode != 0 && is_there(manifest_)) return true;
        // RocksDB names the next one before it removes this one.
        std::optional<std::string> again = manifest_named_by_current();
        if (again == named) return false;
        named = std::move(again);
    }
}

bool Database::has_its_wal() {
    // Only a write of this thread makes another.
    std::unique_ptr<rocksdb::LogFile> newest;
    const rocksdb::Status found = db_->GetCurrentWalFile(&newest);
    if (!found.ok()) return !found.IsPathNotFound();
    const std::string path = path_.string() + newest->PathName();
    if (path == wal_.path) return is_there(wal_);
    const std::optional<File> next = file_at(path);
    if (next) wal_ = *next;
    return !next || next->inode != 0;
}

// Its path. Empty: there is no CURRENT. Nothing: the disk does not say.
std::optional<std::string> Database::manifest_named_by_current() const {
    if (is_special_file(path_ / "CURRENT")) return "";
    std::string name;
    const rocksdb::Status read =
        rocksdb::ReadFileToString(&env_, (path_ / "CURRENT").string(), &name);
    if (read.IsPathNotFound() || read.IsNotFound()) return "";
    if (!read.ok()) return std::nullopt;
    return (path_ / name.substr(0, name.find('\n'))).string();
}

// Nothing: the disk does not say.
std::optional<Database::File> Database::file_at(std::string path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0) {
        return File{std::move(path), found.st_dev, found.st_ino,
                    static_cast<std::uint64_t>(found.st_size)};
    }
    if (errno != ENOENT && errno != ENOTDIR) return std::nullopt;
    return File{std::move(path)};
}

bool Database::is_there(File& file) {
    const std::optional<File> now = file_at(file.path);
    if (!now) return true;
    if (now->device != file.device || now->inode != file.inode) return false;
    if (now->bytes < file.bytes) return false;
    file.bytes = now->bytes;
    return true;
}

// As they were when they were last looked for.
void Database::note_files() {
    const auto expected = [](const File& file) {
        return ExpectedFiles::File{std::filesystem::path(file.path).filename(), file.bytes};
    };
    if (manifest_.inode == 0 || wal_.inode == 0) return;  // the disk did not say
    expected_.note(expected(manifest_), {expected(wal_), sequence_}, is_synced_);
}

Database::State Database::current_state() const {
    if (!is_for_writing_) return State::kClosed;
    return has_room_ ? State::kWritable : State::kNoRoom;
}

// ---- any thread ---------------------------------------------------------------------------------

Database::Reading Database::read() const {
    std::shared_lock lock(mutex_);
    rocksdb::DB* const db = db_.get();
    return {std::move(lock), db};
}

std::string Database::refusal() const {
    if (is_gone_) {
        return fmt::format(
            "{} takes no writes: the folder {} was removed or replaced, or a file in it cut off; "
            "stop the server, put it back, and start it again",
            settings_.name, path_.string());
    }
    if (is_writable()) return {};
    const std::lock_guard lock(failure_mutex_);
    if (!has_room_ || failure_.empty()) {
        return fmt::format(
            "{} takes no writes: the disk of {} is nearly full; make room until {} MiB are free",
            settings_.name, path_.string(), room_to_go_on() >> 20U);
    }
    return fmt::format("{} takes no writes: {}; look at the disk of {}", settings_.name, failure_,
                       path_.string());
}

Error Database::unreadable(const std::string& why) const {
    return {ErrorCode::kUnavailable, settings_.name + " cannot be read now: " + why};
}

Error Database::unreadable(const rocksdb::Status& status) const {
    return status.IsCorruption() ? damaged(status.ToString()) : unreadable(status.ToString());
}

Error Database::damaged(const std::string& what) const {
    return {ErrorCode::kUnavailable,
            settings_.name + " is damaged (" + what + "): " + settings_.remedy};
}

Error Database::can_not_open(const rocksdb::Status& status) const {
    if (status.IsCorruption()) return damaged(in_words(status));
    const std::string why = status.ToString();
    std::string fix;
    if (status.IsNoSpace()) {
        fix = " (the disk is full: make room on it)";
    } else if (why.find("Permission denied") != std::string::npos) {
        fix = fmt::format(
            " (the user of this process, {0}, may not read and write it: start the server as the "
            "one who owns {1}, or give it all of that, as by chown -R {0} {1})",
            ::geteuid(), settings_.data_dir.string());
    } else if (why.find("Read-only file system") != std::string::npos) {
        fix = " (mount it for writing, or name another data directory, --data DIR)";
    } else if (why.find("temporarily unavailable") != std::string::npos ||
               why.find("lock hold by current process") != std::string::npos) {
        fix =
            " (another server uses this data directory: stop it, or give this one its own, "
            "--data DIR)";
    } else if (status.IsPathNotFound()) {
        fix = " (a file of it is missing; if you have it, put it back: else " + settings_.remedy +
              ")";
    } else if (is_passing(status)) {
        fix = " (raise the limit of open files: ulimit -n)";
    } else {
        fix = " (look at that file and its disk; if it is lost, " + settings_.remedy + ")";
    }
    return {ErrorCode::kUnavailable,
            "cannot open " + settings_.name + " in " + path_.string() + ": " + why + fix};
}

}  // namespace eventbus

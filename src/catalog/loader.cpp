#include "catalog/loader.h"

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <utility>

#include "base/settings_file.h"
#include "catalog/parts.h"
#include "catalog/problems.h"
#include "catalog/rule_reader.h"
#include "catalog/spec.h"
#include "event/pattern.h"
#include "event/subject.h"

namespace eventbus {
namespace {

// An entry, and where it stands.
struct Entry {
    EventRule rule;
    int line = 0;
};

// The kind of subject that the rule's template makes; empty without one.
std::string_view kind_of(const EventRule& rule) {
    if (!rule.subject || rule.subject->pieces().empty()) return {};
    return subject_kind(rule.subject->pieces().front().text);
}

bool has_receiver(const EventRule& rule, AudienceRule::To to) {
    return std::any_of(rule.audience.begin(), rule.audience.end(),
                       [&](const AudienceRule& line) { return line.to == to; });
}

// Reads the whole document.
class CatalogReader {
 public:
    explicit CatalogReader(Problems& problems) : problems_(problems) {}

    std::shared_ptr<const Catalog> read(const Spec& root) {
        constexpr std::array<std::string_view, 4> kKeys{"events", "rooms", "groups", "defaults"};
        if (!root.is_map()) {
            problems_.error(root.line, "a catalog is a map with the key `events`",
                            "begin with `events:` and write event types below it");
            return nullptr;
        }
        refuse_unknown_keys(root, kKeys, "a catalog", problems_);
        if (const Spec* defaults = root.find("defaults"))
            defaults_ = read_defaults(*defaults, problems_);
        read_rooms(root.find("rooms"));
        read_groups(root.find("groups"));
        read_events(root);
        check_patterns();
        check_owners_and_watchers();
        if (problems_.has_error()) return nullptr;
        return make();
    }

 private:
    void read_rooms(const Spec* rooms) {
        if (!rooms || rooms->kind == Spec::Kind::kNull) return;
        if (!rooms->is_map()) {
            return problems_.error(rooms->line, "`rooms` is a map of kinds of subjects",
                                   "write for example `photo: { watch: [owner] }` below it");
        }
        for (const SpecField& entry : rooms->fields) {
            rooms_.emplace(entry.name, read_watch_rule(entry, problems_));
        }
    }

    void read_groups(const Spec* groups) {
        if (!groups || groups->kind == Spec::Kind::kNull) return;
        if (!groups->is_map()) {
            return problems_.error(
                groups->line, "`groups` is a map of names of consumer groups",
                "write for example `thumbnails: { members: [service:worker] }` below it");
        }
        for (const SpecField& entry : groups->fields) {
            groups_.emplace(entry.name, read_group_rule(entry, problems_));
        }
    }

    void read_events(const Spec& root) {
        const Spec* events = root.find("events");
        if (!events || !events->is_map() || events->fields.empty()) {
            return problems_.error(
                events ? events->line : root.line, "the catalog has no event types",
                "write them below `events:`, such as `photo.uploaded: { audience: [owner] }`");
        }
        if (events->fields.size() > kCatalogTypesMax) {
            return problems_.error(events->line, "the catalog has more than 10000 event types",
                                   "write patterns, such as \"audit.**\"");
        }
        for (const SpecField& entry : events->fields) {
            entries_.push_back({read_event_rule(entry, defaults_, problems_), entry.line});
        }
    }

    // A pattern behind one that covers it is never reached.
    void check_patterns() {
        std::vector<const Entry*> before;
        for (const Entry& entry : entries_) {
            if (!entry.rule.is_pattern) continue;
            for (const Entry* earlier : before) {
                if (!covers(earlier->rule.type, entry.rule.type)) continue;
                problems_.warn(entry.line,
                               "the pattern '" + entry.rule.type + "' is never reached, as '" +
                                   earlier->rule.type + "' in line " +
                                   std::to_string(earlier->line) + " covers it",
                               "write the narrower pattern first");
                break;
            }
            if (before.size() < kPatternsCompared) before.push_back(&entry);
        }
    }

    void check_owners_and_watchers() {
        std::set<std::string_view> owned;
        for (const Entry& entry : entries_) {
            if (entry.rule.owner) owned.insert(kind_of(entry.rule));
        }
        for (const Entry& entry : entries_) {
            const std::string_view kind = kind_of(entry.rule);
            if (kind.empty()) continue;
            if (has_receiver(entry.rule, AudienceRule::To::kOwner) && !owned.contains(kind) &&
                !owned.contains({})) {
                problems_.warn(entry.line,
                               "'" + entry.rule.type +
                                   "' goes to the owner, but no event says who owns a " +
                                   std::string(kind),
                               "add `owner: user:{data.FIELD}` to the type that begins with it");
            }
            const bool is_watched = has_receiver(entry.rule, AudienceRule::To::kWatchers);
            if (is_watched && !rooms_.contains(kind)) {
                problems_.warn(
                    entry.line,
                    "'" + entry.rule.type + "' goes to watchers, but no user may watch a " +
                        std::string(kind),
                    "add `" + std::string(kind) + ": { watch: [owner] }` below `rooms:`");
            }
        }
    }

    std::shared_ptr<const Catalog> make() {
        std::vector<EventRule> rules;
        rules.reserve(entries_.size());
        for (Entry& entry : entries_) rules.push_back(std::move(entry.rule));
        return std::make_shared<const Catalog>(std::move(rules), std::move(rooms_),
                                               std::move(groups_));
    }

    static constexpr std::size_t kPatternsCompared = 100;  // more would make a check of pairs slow

    Problems& problems_;
    RuleDefaults defaults_;
    StringMap<WatchRule> rooms_;
    StringMap<GroupRule> groups_;
    std::vector<Entry> entries_;
};

}  // namespace

std::string Problem::text() const {
    std::string out = file + ":";
    if (line > 0) out += std::to_string(line) + ":";
    out += warning ? " warning: " : " ";
    out += what;
    if (!fix.empty()) out += "; " + fix;
    return out;
}

Loaded parse_catalog(std::string_view yaml, const std::string& file_name) {
    Problems problems(file_name);
    Loaded loaded;
    YamlFault fault;
    if (const Result<Spec> root = spec_from_yaml(yaml, fault); !root) {
        problems.error(fault.line, root.error().detail, fault.fix);
    } else {
        loaded.catalog = CatalogReader(problems).read(*root);
    }
    loaded.problems = problems.take_sorted();
    return loaded;
}

Loaded load_catalog(const std::string& path) {
    const Result<std::string> text = read_settings_file(path, kCatalogBytesMax);
    if (text) return parse_catalog(*text, path);
    Problems problems(path);
    problems.error(0, "the catalog " + text.error().detail,
                   text.error().code == ErrorCode::kTooLarge
                       ? "write patterns for types that are alike"
                       : "put a file there that the user of this process may read, or name another "
                         "with --catalog FILE");
    return {nullptr, problems.take_sorted()};
}

}  // namespace eventbus

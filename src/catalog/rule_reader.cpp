#include "catalog/rule_reader.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "catalog/parts.h"
#include "catalog/words.h"
#include "event/nearest.h"
#include "event/pattern.h"
#include "event/subject.h"

namespace eventbus {
namespace {

constexpr std::array<std::string_view, 14> kEventKeys{
    "subject", "owner",  "transfer", "disown",  "audience", "emit",   "durability",
    "latest",  "retain", "publish",  "consume", "grant",    "revoke", "bind"};
constexpr std::size_t kAudienceLinesMax = 64;
constexpr std::size_t kEmitBytesMax = 128;

// Transient events live in memory only; this bounds what a backend may keep of them.
constexpr Retention kTransientRetention{std::chrono::minutes(10), 0};

using Source = Template::Source;

// Reads one entry of `events:`.
class RuleReader {
 public:
    RuleReader(const SpecField& entry, const RuleDefaults& defaults, Problems& problems)
        : entry_(entry), spec_(entry.value), problems_(problems) {
        rule_.type = entry.name;
        rule_.is_pattern = has_wildcard(entry.name);
        rule_.retention = defaults.retention;
        rule_.publish = defaults.publish;
        rule_.consume = defaults.consume;
    }

    EventRule read() {
        check_type_name();
        if (spec_.kind == Spec::Kind::kNull) return finish();
        if (!spec_.is_map()) {
            error(spec_.line, "'" + rule_.type + "' is " + std::string(spec_.kind_name()),
                  "write its keys below it, such as `audience: [owner]`");
            return finish();
        }
        check_keys();
        read_subject();
        read_owner();
        read_audience();
        read_emit();
        read_durability();
        read_access_rules();
        read_grants("grant", false);
        read_grants("revoke", true);
        check_rights();
        read_bindings();
        check_users();
        return finish();
    }

 private:
    void error(int line, std::string what, std::string fix) {
        problems_.error(line, std::move(what), std::move(fix));
    }

    void check_type_name() {
        if (!is_type_pattern(rule_.type)) {
            const bool has_colon = rule_.type.find(':') != std::string::npos;
            error(entry_.line, "'" + rule_.type + "' is no event type",
                  has_colon
                      ? "a type has dots (photo.uploaded); a name with colons for the wire goes "
                        "under `emit:`"
                      : "write letters, digits, '_' and '-' between dots, and for a pattern * or "
                        "** as a whole part, such as \"audit.**\"");
        }
    }

    void check_keys() {
        if (const auto* schema = field("schema")) {
            error(schema->line,
                  "`schema` is not available yet: data is not checked against JSON Schema",
                  "remove the key for now; publishers check their data themselves");
        }
        Spec others = spec_;
        others.fields.erase(std::remove_if(others.fields.begin(), others.fields.end(),
                                           [](const SpecField& f) { return f.name == "schema"; }),
                            others.fields.end());
        refuse_unknown_keys(others, kEventKeys, "an event type", problems_);
    }

    const SpecField* field(std::string_view name) const {
        const auto at = std::find_if(spec_.fields.begin(), spec_.fields.end(),
                                     [&](const SpecField& f) { return f.name == name; });
        return at == spec_.fields.end() ? nullptr : &*at;
    }

    // The template of `spec` from `prefix` on. It makes a name, or ends in one: `name`.
    // What it reads is noted.
    std::optional<Template> read_template(const Spec& spec, std::string_view key,
                                          std::size_t prefix, std::string_view name) {
        Result<Template> made = Template::compile(std::string_view(spec.text).substr(prefix));
        const std::string fault = made ? name_fault(name) : made.error().detail;
        if (!fault.empty()) {
            error(spec.line,
                  "`" + std::string(key) + "`: the template '" + spec.text + "' is wrong", fault);
            return std::nullopt;
        }
        if (made->reads(Source::kSubject)) rule_.needs_subject = true;
        return std::move(*made);
    }

    bool is_text(const Spec& spec, std::string_view key, std::string_view example) {
        if (spec.is_string() && !spec.text.empty()) return true;
        error(spec.line,
              "`" + std::string(key) + "` is " +
                  (spec.is_string() ? "empty" : "text, not " + std::string(spec.kind_name())),
              "write it such as `" + std::string(example) +
                  "`; a template inside of { } or [ ] goes in quotes");
        return false;
    }

    bool is_true(std::string_view key) {
        const Spec* spec = spec_.find(key);
        if (!spec) return false;
        if (spec->kind == Spec::Kind::kBool) return spec->boolean;
        error(spec->line, "`" + std::string(key) + "` is true or false",
              "write `" + std::string(key) + ": true`");
        return false;
    }

    void read_subject() {
        const Spec* spec = spec_.find("subject");
        if (!spec || !is_text(*spec, "subject", "photo:{data.photoId}")) return;
        const std::string& text = spec->text;
        const auto colon = text.find(':');
        if (colon == std::string::npos || text.find('{') < colon) {
            return error(spec->line,
                         "the subject '" + text + "' does not begin with a kind and a colon",
                         "write kind:id, with the kind as it is and the id from the data, such as "
                         "photo:{data.photoId}");
        }
        if (const Result<> kind = check_subject_kind(subject_kind(text)); !kind) {
            return error(spec->line,
                         "'" + std::string(subject_kind(text)) + "' cannot be a subject's kind",
                         kind.error().detail);
        }
        if (subject_id(text).empty()) {
            return error(spec->line, "the subject '" + text + "' has no id",
                         "write " + text + "{data.FIELD}");
        }
        rule_.subject = read_template(*spec, "subject", 0, subject_id(text));
        if (rule_.subject && rule_.subject->reads(Source::kSubject)) {
            error(spec->line, "the subject '" + text + "' is made of itself",
                  "take a field of the data");
        }
    }

    void read_owner() {
        rule_.transfer = is_true("transfer");
        rule_.disown = is_true("disown");
        if (rule_.disown) rule_.needs_subject = true;
        const Spec* spec = spec_.find("owner");
        if (spec && rule_.disown) {
            return error(field("disown")->line, "`disown` ends what `owner` begins",
                         "give one of them a type of its own");
        }
        if (!spec) {
            if (const auto* transfer = field("transfer")) {
                error(transfer->line, "`transfer` without `owner` has nobody to transfer to",
                      "add `owner: user:{data.FIELD}`, or remove `transfer`");
            }
            return;
        }
        if (!is_text(*spec, "owner", "user:{data.userId}")) return;
        constexpr std::string_view kUser = "user:";
        if (!spec->text.starts_with(kUser) || spec->text.size() == kUser.size()) {
            return error(spec->line, "the owner '" + spec->text + "' is no user",
                         "an owner is a user, written user:{data.FIELD}");
        }
        rule_.owner = read_template(*spec, "owner", kUser.size(), spec->text.substr(kUser.size()));
        rule_.needs_subject = true;
    }

    void read_audience() {
        const Spec* spec = spec_.find("audience");
        if (!spec) return;
        const auto lines = as_list(*spec);
        if (lines.size() > kAudienceLinesMax) {
            return error(spec->line, "the audience has more than 64 lines",
                         "give many users a role, or let them watch");
        }
        for (const Spec* line : lines) {
            AudienceRule made;
            if (line->is_map() ? read_audience_map(*line, made) : read_receiver(*line, made)) {
                rule_.audience.push_back(std::move(made));
            }
        }
    }

    bool read_audience_map(const Spec& line, AudienceRule& out) {
        constexpr std::array<std::string_view, 3> kKeys{"to", "filter", "transform"};
        refuse_unknown_keys(line, kKeys, "a line of the audience", problems_);
        const Spec* to = line.find("to");
        if (!to) {
            error(line.line, "a line of the audience says not to whom",
                  "add `to: owner` or another receiver");
            return false;
        }
        if (!read_receiver(*to, out)) return false;
        read_filter(line.find("filter"), out);
        read_transform(line.find("transform"), out);
        return true;
    }

    bool read_receiver(const Spec& spec, AudienceRule& out) {
        using To = AudienceRule::To;
        constexpr std::array<std::string_view, 5> kWords{"owner", "watchers", "everyone",
                                                         "user:", "role:"};
        const std::string_view text = spec.text;
        if (!spec.is_string() || text.empty()) {
            error(spec.line, "a receiver is text, not " + std::string(spec.kind_name()),
                  "write owner, watchers, everyone, \"user:{data.userId}\" or role:admin");
            return false;
        }
        if (text == "owner" || text == "watchers") {
            out.to = text == "owner" ? To::kOwner : To::kWatchers;
            rule_.needs_subject = true;
            return true;
        }
        if (text == "everyone") {
            out.to = To::kEveryone;
            return true;
        }
        if ((text.starts_with("user:") || text.starts_with("role:")) && text.size() > 5) {
            out.to = text.starts_with("user:") ? To::kUser : To::kRole;
            out.id = read_template(spec, "audience", 5, text.substr(5));
            return out.id.has_value();
        }
        error(spec.line, "there is no receiver '" + spec.text + "'", receiver_mend(text, kWords));
        return false;
    }

    static std::string receiver_mend(std::string_view text,
                                     std::span<const std::string_view> words) {
        if (const auto near = nearest(text, words); !near.empty()) {
            return "did you mean '" + std::string(near) + "'?";
        }
        if (text.find(':') != std::string_view::npos) {
            return "who watches the event's subject is `watchers`; other receivers are owner, "
                   "everyone, "
                   "user:ID and role:NAME";
        }
        return "known are owner, watchers, everyone, user:ID and role:NAME";
    }

    void read_filter(const Spec* spec, AudienceRule& out) {
        if (!spec) return;
        int line = spec->line;
        Result<Filter> filter = Filter::compile(*spec, line);
        if (!filter) {
            return error(line, "the filter is wrong", filter.error().detail);
        }
        for (const Filter::Surprise& surprise : filter->surprises()) {
            problems_.warn(surprise.line, surprise.what, surprise.fix);
        }
        if (filter->reads_data()) rule_.reads_document = true;
        out.filter = std::move(*filter);
    }

    void read_transform(const Spec* spec, AudienceRule& out) {
        if (!spec) return;
        int line = spec->line;
        Result<Transform> transform = Transform::compile(*spec, line);
        if (!transform) return error(line, "the transform is wrong", transform.error().detail);
        rule_.reads_document = true;
        rule_.transforms.push_back(std::move(*transform));
        out.transform = static_cast<std::uint16_t>(rule_.transforms.size());
    }

    void read_emit() {
        const Spec* spec = spec_.find("emit");
        if (!spec) {
            if (is_reserved_name(rule_.type)) refuse_reserved(entry_.line, rule_.type);
            return;
        }
        if (!is_text(*spec, "emit", "photo:processing.update")) return;
        if (is_reserved_name(spec->text)) return refuse_reserved(spec->line, spec->text);
        if (spec->text.size() > kEmitBytesMax) {
            return error(spec->line, "the name on the wire, `emit`, has more than 128 bytes",
                         "write a shorter one, such as photo:processing.update");
        }
        if (const std::string fault = name_fault(spec->text); !fault.empty()) {
            return error(spec->line, "`emit`: the name '" + spec->text + "' is wrong", fault);
        }
        rule_.emit = spec->text;
    }

    void refuse_reserved(int line, const std::string& name) {
        error(line, "'" + name + "' is a name that Socket.IO or the bus itself emits",
              "give the event another with `emit:`");
    }

    void read_durability() {
        constexpr std::array<std::string_view, 2> kWords{"durable", "transient"};
        if (const Spec* spec = spec_.find("durability")) {
            if (spec->text == "transient") {
                rule_.durability = Durability::kTransient;
            } else if (spec->text != "durable") {
                error(spec->line, "`durability` is durable or transient, not '" + spec->text + "'",
                      nearest(spec->text, kWords) == "transient"
                          ? "did you mean 'transient'?"
                          : "write `durability: durable` or leave it out");
            }
        }
        const bool is_transient = rule_.durability == Durability::kTransient;
        rule_.latest = is_true("latest");
        if (rule_.latest && !is_transient) {
            error(field("latest")->line,
                  "`latest` lets newer events replace older ones, which a durable event must not",
                  "add `durability: transient`, or remove `latest`");
        }
        read_retain(is_transient);
    }

    void read_retain(bool is_transient) {
        const SpecField* retain = field("retain");
        if (is_transient) {
            rule_.retention = kTransientRetention;
            if (retain) {
                error(retain->line,
                      "`retain` is for durable events; transient ones are kept in memory only",
                      "remove `retain`, or `durability: transient`");
            }
            return;
        }
        if (retain) rule_.retention = read_retention(retain->value, rule_.retention, problems_);
    }

    void read_access_rules() {
        if (const auto* publish = field("publish"))
            rule_.publish = read_access(*publish, problems_);
        if (const auto* consume = field("consume"))
            rule_.consume = read_access(*consume, problems_);
    }

    void read_grants(std::string_view key, bool revoke) {
        const SpecField* grant = field(key);
        if (!grant) return;
        const Spec* watch = grant->value.find("watch");
        if (!watch || grant->value.fields.size() != 1) {
            return error(grant->line, "`" + grant->name + "` says who may watch",
                         "write `" + grant->name + ": { watch: \"user:{data.FIELD}\" }`");
        }
        rule_.needs_subject = true;
        for (const Spec* who : as_list(*watch)) read_grant(*who, grant->name, revoke);
    }

    void read_grant(const Spec& who, const std::string& key, bool revoke) {
        const std::string_view text = who.text;
        const bool is_user = text.starts_with("user:");
        if (!who.is_string() || (!is_user && !text.starts_with("role:")) || text.size() == 5) {
            return error(who.line,
                         "`" + key + "` names '" + who.text + "', neither a user nor a role",
                         "write \"user:{data.FIELD}\" or \"role:NAME\"");
        }
        std::optional<Template> id = read_template(who, key, 5, text.substr(5));
        if (!id) return;
        if (revoke && granted_.contains(text)) {
            return error(who.line, "'" + who.text + "' is granted and revoked by the same event",
                         "remove it from `grant` or from `revoke`");
        }
        if (!revoke) granted_.insert(text);
        rule_.grants.push_back(
            {is_user ? GrantRule::Who::kUser : GrantRule::Who::kRole, std::move(*id), revoke});
    }

    // What an event disowns ends behind all that the event itself gives.
    void check_rights() {
        if (!rule_.disown) return;
        if (const SpecField* grant = field("grant")) {
            error(grant->line, "`disown` ends what `grant` gives at once",
                  "give one of them a type of its own");
        }
        if (const SpecField* revoke = field("revoke")) {
            problems_.warn(revoke->line, "`revoke` has no effect, as `disown` ends every grant",
                           "remove `revoke`");
        }
    }

    void read_bindings() {
        const SpecField* bind = field("bind");
        if (!bind) return;
        if (!bind->value.is_map() || bind->value.fields.empty()) {
            return error(bind->line, "`bind` is a map of fields and what they must be",
                         "write `bind: { data.userId: \"{principal.id}\" }`");
        }
        for (const SpecField& field : bind->value.fields) read_binding(field);
        if (!rule_.publish.users && !rule_.publish.users_if_owner && !rule_.publish.permission) {
            problems_.warn(bind->line, "`bind` has no effect, as no user may publish this type",
                           "add user, owner or permission to `publish`, or remove `bind`");
        }
    }

    void read_binding(const SpecField& field) {
        constexpr std::string_view kData = "data.";
        Result<FieldPath> path = parse_field_path(
            field.name.starts_with(kData) ? field.name.substr(kData.size()) : std::string());
        if (!path) {
            return error(field.line, "`bind` names '" + field.name + "', no field of the data",
                         "write it as data.FIELD, such as data.userId");
        }
        if (!is_text(field.value, "bind", "data.userId: \"{principal.id}\"")) return;
        std::optional<Template> value = read_template(field.value, "bind", 0, field.value.text);
        if (!value) return;
        if (!value->reads(Source::kPrincipalId)) {
            return error(field.value.line,
                         "`bind` does not bind '" + field.name + "' to who publishes",
                         "write \"{principal.id}\"");
        }
        rule_.bindings.push_back({std::move(*path), std::move(*value)});
    }

    bool is_bound(const FieldPath& path) const {
        return std::any_of(rule_.bindings.begin(), rule_.bindings.end(),
                           [&](const BindRule& bind) { return bind.field == path; });
    }

    // Whoever may publish without more must not be able to name others: as owner, or as one who may
    // watch.
    void check_users() {
        const FieldPath* open_owner_field = nullptr;
        if (rule_.owner) {
            for (const Template::Piece& piece : rule_.owner->pieces()) {
                if (piece.source == Source::kData && !is_bound(piece.path))
                    open_owner_field = &piece.path;
            }
        }
        rule_.owner_is_bound = open_owner_field == nullptr;
        if (!rule_.publish.users) return;
        const int line = field("publish") ? field("publish")->line : entry_.line;
        if (!rule_.owner_is_bound) {
            error(line, "any user may publish this type and name another as owner",
                  "add `bind: { data." + joined(*open_owner_field) + ": \"{principal.id}\" }`");
        } else if (rule_.bindings.empty() && !rule_.owner) {
            error(line, "any user may publish this type and nothing binds it to who they are",
                  "add `bind: { data.userId: \"{principal.id}\" }`");
        }
        if (rule_.disown) {
            error(line, "any user may publish this type and end who owns what is not theirs",
                  "write `publish: [owner]`, so that only the subject's owner may");
        }
        if (rule_.transfer) {
            problems_.warn(line, "any user may publish this type and take what another owns",
                           "write `publish: [permission]`, unless that is meant");
        }
        if (!rule_.grants.empty()) {
            error(line, "any user may publish this type and let others watch what is not theirs",
                  "write `publish: [owner]`, so that only the subject's owner may");
        }
    }

    static std::string joined(const FieldPath& path) {
        std::string text;
        for (const std::string& part : path) text += (text.empty() ? "" : ".") + part;
        return text;
    }

    EventRule finish() { return std::move(rule_); }

    const SpecField& entry_;
    const Spec& spec_;
    Problems& problems_;
    EventRule rule_;
    std::set<std::string_view> granted_;
};

}  // namespace

EventRule read_event_rule(const SpecField& entry, const RuleDefaults& defaults,
                          Problems& problems) {
    return RuleReader(entry, defaults, problems).read();
}

RuleDefaults read_defaults(const Spec& spec, Problems& problems) {
    constexpr std::array<std::string_view, 3> kKeys{"retain", "publish", "consume"};
    RuleDefaults defaults;
    if (!spec.is_map()) {
        problems.error(spec.line, "`defaults` is a map",
                       "write for example `defaults: { retain: 7d }`");
        return defaults;
    }
    refuse_unknown_keys(spec, kKeys, "`defaults`", problems);
    for (const SpecField& field : spec.fields) {
        if (field.name == "retain") {
            defaults.retention = read_retention(field.value, defaults.retention, problems);
        } else if (field.name == "publish") {
            defaults.publish = read_access(field, problems);
        } else if (field.name == "consume") {
            defaults.consume = read_access(field, problems);
        }
    }
    return defaults;
}

WatchRule read_watch_rule(const SpecField& entry, Problems& problems) {
    constexpr std::array<std::string_view, 1> kKeys{"watch"};
    constexpr std::array<std::string_view, 4> kWords{"owner", "permission", "everyone",
                                                     "role:NAME"};
    WatchRule rule;
    if (const Result<> kind = check_subject_kind(entry.name); !kind) {
        problems.error(entry.line, "'" + entry.name + "' cannot be a subject's kind",
                       kind.error().detail);
    }
    const Spec* watch = entry.value.find("watch");
    refuse_unknown_keys(entry.value, kKeys, "a kind of `rooms`", problems);
    if (!watch) {
        problems.error(entry.line, "`rooms` says of '" + entry.name + "' not who may watch it",
                       "write `" + entry.name + ": { watch: [owner, permission] }`");
        return rule;
    }
    for (const Spec* word : as_list(*watch)) {
        const std::string& text = word->text;
        if (word->is_string() && text == "owner") {
            rule.owner = true;
        } else if (word->is_string() && text == "permission") {
            rule.permission = true;
        } else if (word->is_string() && text == "everyone") {
            rule.everyone = true;
        } else if (word->is_string() && text.starts_with("role:") && text.size() > 5) {
            if (const std::string fault = name_fault(text.substr(5)); !fault.empty())
                problems.error(word->line, "`watch`: '" + text + "' is wrong", fault);
            rule.roles.push_back(text.substr(5));
        } else {
            const std::string_view near = nearest(text, kWords);
            problems.error(word->line, "`watch` knows no '" + text + "'",
                           near.empty() ? "known are owner, permission, everyone and role:NAME"
                                        : "did you mean '" + std::string(near) + "'?");
        }
    }
    return rule;
}

GroupRule read_group_rule(const SpecField& entry, Problems& problems) {
    constexpr std::array<std::string_view, 1> kKeys{"members"};
    constexpr std::string_view kService = "service:";
    GroupRule rule;
    if (!is_service_name(entry.name)) {
        problems.error(entry.line, "'" + entry.name + "' cannot be the name of a group",
                       "a group's name is 1 to 64 of a-z, 0-9 and '-'");
    }
    const Spec* members = entry.value.find("members");
    refuse_unknown_keys(entry.value, kKeys, "a name of `groups`", problems);
    if (!members) {
        problems.error(entry.line, "`groups` does not say who may join '" + entry.name + "'",
                       "write `" + entry.name + ": { members: [service:worker] }`");
        return rule;
    }
    for (const Spec* word : as_list(*members)) {
        const std::string name =
            word->text.starts_with(kService) ? word->text.substr(kService.size()) : std::string();
        if (word->is_string() && is_service_name(name)) {
            rule.services.push_back(name);
        } else {
            problems.error(word->line, "`members` knows no '" + word->text + "'",
                           "a member is a service, such as service:worker");
        }
    }
    return rule;
}

}  // namespace eventbus

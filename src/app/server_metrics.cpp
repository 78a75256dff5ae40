#include "app/server_metrics.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/write_line.h"

namespace eventbus {
namespace {

using Lanes = std::vector<std::unique_ptr<Lane>>;

// The sum over all lanes of what `read` says of one.
template <class Read>
Metrics::Read sum_of(const Lanes& lanes, Read read) {
    return [&lanes, read] {
        double total = 0;
        for (const auto& lane : lanes) total += static_cast<double>(read(lane->probes()).get());
        return total;
    };
}

// What `read` says of each group.
Metrics::ReadMany of_each_group(const Lanes& lanes, Counter GroupProbe::*counter) {
    return [&lanes, counter] {
        std::vector<Metrics::Sample> samples;
        for (const auto& lane : lanes) {
            for (const auto& group : lane->group_probes()) {
                samples.push_back({{{"group", group->key->name}, {"topic", group->key->topic}},
                                   static_cast<double>(((*group).*counter).get())});
            }
        }
        return samples;
    };
}

Metrics::ReadMany of_each_view(const Lanes& lanes, Counter ViewProbe::*counter) {
    return [&lanes, counter]() -> std::vector<Metrics::Sample> {
        using P = const Lane::Probes&;
        return {{{{"view", "live"}},
                 sum_of(
                     lanes, [=](P p) -> auto& { return p.live_view.*counter; })()},
                {{{"view", "groups"}},
                 sum_of(
                     lanes, [=](P p) -> auto& { return p.groups_view.*counter; })()}};
    };
}

void add_group_metrics(Metrics& metrics, const Lanes& lanes) {
    const auto counter = [&](const char* name, const char* help, auto which) {
        metrics.add_counter(name, help, of_each_group(lanes, which));
    };
    const auto gauge = [&](const char* name, const char* help, auto which) {
        metrics.add_gauge(name, help, of_each_group(lanes, which));
    };
    using P = const Lane::Probes&;
    metrics.add_gauge("eventbus_groups", "Consumer groups.",
                      sum_of(
                          lanes, [](P p) -> auto& { return p.groups.groups; }));
    metrics.add_counter("eventbus_groups_ended_total",
                        "Groups that ended since they had no member for group_idle_ttl.",
                        sum_of(
                            lanes, [](P p) -> auto& { return p.groups.ended; }));
    metrics.add_counter("eventbus_groups_deleted_total", "Groups that an operator deleted.",
                        sum_of(
                            lanes, [](P p) -> auto& { return p.groups.deleted; }));
    metrics.add_counter("eventbus_groups_refused_total", "Groups refused: groups_max.",
                        sum_of(
                            lanes, [](P p) -> auto& { return p.groups.refused_groups; }));
    metrics.add_counter("eventbus_group_read_failures_total",
                        "Pages that the log did not give to a group; they are read again.",
                        sum_of(
                            lanes, [](P p) -> auto& { return p.groups.read_failures; }));
    metrics.add_counter("eventbus_group_write_failures_total",
                        "Writes that the store of groups did not take; they are tried again.",
                        sum_of(
                            lanes, [](P p) -> auto& { return p.groups.write_failures; }));
    metrics.add_gauge("eventbus_group_held_deliveries",
                      "Deliveries that wait until their member's connection has room.",
                      sum_of(
                          lanes, [](P p) -> auto& { return p.held_deliveries; }));

    gauge("eventbus_group_members", "Members of the group.", &GroupProbe::members);
    gauge("eventbus_group_in_flight", "Events given out or to be given out again.",
          &GroupProbe::in_flight);
    gauge("eventbus_group_waiting", "Of these, the ones that no member has.", &GroupProbe::waiting);
    gauge("eventbus_group_lag", "Events that were never given out.", &GroupProbe::lag);
    gauge("eventbus_group_pending_bytes", "Of these, bytes that were read ahead.",
          &GroupProbe::pending_bytes);
    counter("eventbus_group_deliveries_total", "Events given to members.", &GroupProbe::delivered);
    counter("eventbus_group_redeliveries_total", "Of these, not for the first time.",
            &GroupProbe::redelivered);
    counter("eventbus_group_acks_total", "Deliveries acknowledged.", &GroupProbe::acked);
    counter("eventbus_group_nacks_total", "Deliveries given back.", &GroupProbe::nacked);
    counter("eventbus_group_timeouts_total", "Deliveries not acknowledged within ack_wait.",
            &GroupProbe::timed_out);
    counter("eventbus_group_member_lost_total", "Deliveries whose member went away.",
            &GroupProbe::member_lost);
    counter("eventbus_group_stale_answers_total",
            "Answers to deliveries that were no longer the member's.", &GroupProbe::stale_answers);
    counter("eventbus_group_expired_total",
            "Durable events that retention took before they were handled.", &GroupProbe::expired);
    counter("eventbus_group_lost_transient_total",
            "Transient events that were gone before they were handled.",
            &GroupProbe::lost_transient);
    counter("eventbus_group_stalls_total", "Times the group stood still with work to do.",
            &GroupProbe::stalls);
    gauge("eventbus_group_set_back_positions",
          "How far the group was set back at the start, as it had stood in another branch of the "
          "log: what it handled there may come again.",
          &GroupProbe::set_back);
}

}  // namespace

void add_server_metrics(Metrics& metrics, const Lanes& lanes, const LogProbe& log, Log& log_state) {
    const auto sum = [&lanes](auto read) { return sum_of(lanes, read); };
    const auto counter = [&](const char* name, const char* help, auto read) {
        metrics.add_counter(name, help, sum(read));
    };
    const auto gauge = [&](const char* name, const char* help, auto read) {
        metrics.add_gauge(name, help, sum(read));
    };
    using P = const Lane::Probes&;

    metrics.add_gauge(
        "eventbus_connections", "Sessions open now, by transport.",
        [sum]() -> std::vector<Metrics::Sample> {
            return {{{{"transport", "websocket"}},
                     sum([](P p) -> auto& { return p.engine.websocket_sessions; })()},
                    {{{"transport", "polling"}},
                     sum([](P p) -> auto& { return p.engine.polling_sessions; })()},
                    {{{"transport", "sse"}}, sum([](P p) -> auto& { return p.api.streams; })()}};
        });
    const auto of_strangers = [sum](auto read) {
        return [connections = sum([read](P p) -> auto& { return read(p.strangers); }),
                sessions = sum([read](P p) -> auto& {
                    return read(p.stranger_sessions);
                })]() -> std::vector<Metrics::Sample> {
            return {{{{"kind", "connection"}}, connections()}, {{{"kind", "session"}}, sessions()}};
        };
    };
    metrics.add_gauge(
        "eventbus_unauthenticated",
        "Connections that have brought no token, and sessions that have joined no namespace.",
        of_strangers([](const Strangers& strangers) -> auto& { return strangers.now(); }));
    metrics.add_counter(
        "eventbus_crowded_out_total",
        "Such whose place another one took, as unauthenticated_max was used up.",
        of_strangers([](const Strangers& strangers) -> auto& { return strangers.crowded_out(); }));
    gauge(
        "eventbus_sockets", "Socket.IO sockets signed in now.",
        [](P p) -> auto& { return p.sockets.sockets; });
    gauge(
        "eventbus_rooms", "Rooms with a member, summed over reactors.",
        [](P p) -> auto& { return p.delivery.rooms; });
    counter(
        "eventbus_http_accepted_total", "Connections accepted.",
        [](P p) -> auto& { return p.http.accepted; });
    counter(
        "eventbus_http_refused_total",
        "Connections refused: connections_max, or the limit of open files.",
        [](P p) -> auto& { return p.http.refused; });
    counter(
        "eventbus_http_requests_total", "HTTP requests read.",
        [](P p) -> auto& { return p.http.requests; });
    counter(
        "eventbus_http_malformed_total", "HTTP requests that broke the protocol.",
        [](P p) -> auto& { return p.http.malformed; });
    counter(
        "eventbus_http_timeouts_total", "HTTP requests that did not come whole in time.",
        [](P p) -> auto& { return p.http.timeouts; });
    counter(
        "eventbus_refused_origins_total",
        "Requests of pages whose origin is not allowed, which may not read their answers.",
        [](P p) -> auto& { return p.refused_origins; });
    counter(
        "eventbus_proxy_refusals_total",
        "Connections closed as no trusted proxy began them with the PROXY protocol.",
        [](P p) -> auto& { return p.http.proxy_refusals; });
    counter(
        "eventbus_sign_in_delays_total",
        "Sign-ins that could not be served at that moment; their connections were closed.",
        [](P p) -> auto& { return p.gateway.sign_in_delays; });
    counter(
        "eventbus_rechecks_total", "Rights to watch that were asked for again.",
        [](P p) -> auto& { return p.admission.rechecks; });
    counter(
        "eventbus_watches_ended_total",
        "Rooms that sockets left, since they lost the right to them.",
        [](P p) -> auto& { return p.admission.ended; });
    counter(
        "eventbus_sign_ins_total", "Sockets that signed in.",
        [](P p) -> auto& { return p.gateway.sign_ins; });
    counter(
        "eventbus_sign_in_refusals_total", "Sign-ins that were refused.",
        [](P p) -> auto& { return p.gateway.sign_in_refusals; });
    counter(
        "eventbus_expired_tokens_total", "Sockets closed as their token expired.",
        [](P p) -> auto& { return p.gateway.expired_tokens; });
    counter(
        "eventbus_token_refreshes_total", "Sockets that went on with another token.",
        [](P p) -> auto& { return p.gateway.refreshes; });
    counter(
        "eventbus_token_refresh_refusals_total", "Refreshes of tokens that were refused.",
        [](P p) -> auto& { return p.gateway.refresh_refusals; });
    counter(
        "eventbus_resumes_total", "Sessions that went on after a drop.",
        [](P p) -> auto& { return p.gateway.resumes; });
    counter(
        "eventbus_resumes_unknown_total", "Resumes whose session was not known.",
        [](P p) -> auto& { return p.gateway.unknown_sessions; });
    counter(
        "eventbus_resume_gaps_total", "Receivers told that retention may have taken events.",
        [](P p) -> auto& { return p.delivery.gaps; });
    counter(
        "eventbus_take_overs_total", "Sockets closed since a newer one has their session.",
        [](P p) -> auto& { return p.admission.take_overs; });
    counter(
        "eventbus_subscribes_total", "Subscribe commands.",
        [](P p) -> auto& { return p.gateway.subscribes; });
    counter(
        "eventbus_subscribe_refusals_total", "Subscribe commands that were refused.",
        [](P p) -> auto& { return p.gateway.subscribe_refusals; });
    counter(
        "eventbus_evictions_total", "Sockets that an event took the right to watch from.",
        [](P p) -> auto& { return p.delivery.evictions; });
    counter(
        "eventbus_deliveries_total", "Events given to receivers live.",
        [](P p) -> auto& { return p.delivery.deliveries; });
    counter(
        "eventbus_resumed_deliveries_total", "Events given to receivers that had missed them.",
        [](P p) -> auto& { return p.delivery.resumed_deliveries; });
    gauge(
        "eventbus_receivers_behind", "Receivers that have not got yet what they missed.",
        [](P p) -> auto& { return p.delivery.behind; });
    counter(
        "eventbus_catch_up_pages_read_total",
        "Pages of the log that were read for receivers that are behind.",
        [](P p) -> auto& { return p.delivery.pages_read; });
    counter(
        "eventbus_catch_up_pages_refused_total",
        "Such pages that could not be read then: they are read again.",
        [](P p) -> auto& { return p.delivery.pages_refused; });
    counter(
        "eventbus_catch_up_inquiries_total",
        "Reads of the log that say whether what retention took could have been for some receivers.",
        [](P p) -> auto& { return p.delivery.inquiries; });
    counter(
        "eventbus_frames_encoded_total", "Frames made, each shared by all its receivers.",
        [](P p) -> auto& { return p.delivery.encoded; });
    gauge(
        "eventbus_queue_bytes", "Bytes that wait for clients which have not taken them.",
        [](P p) -> auto& { return p.queued_bytes; });
    counter(
        "eventbus_frames_compressed_total", "Frames compressed, each once for all who agreed.",
        [](P p) -> auto& { return p.compressed_frames; });
    metrics.add_counter("eventbus_slow_clients_total",
                        "Sessions and streams closed as they were read too slowly.",
                        [sessions = sum([](P p) -> auto& { return p.engine.slow_clients; }),
                         streams = sum([](P p) -> auto& { return p.api.slow_streams; })] {
                            return sessions() + streams();
                        });
    counter(
        "eventbus_ping_timeouts_total", "Sessions closed as no pong came.",
        [](P p) -> auto& { return p.engine.ping_timeouts; });
    metrics.add_counter(
        "eventbus_parse_errors_total",
        "Connections closed as their client broke the protocol, by the layer that it broke.",
        [sum]() -> std::vector<Metrics::Sample> {
            return {
                {{{"kind", "websocket"}},
                 sum([](P p) -> auto& { return p.engine.websocket_errors; })()},
                {{{"kind", "engineio"}},
                 sum([](P p) -> auto& { return p.engine.packet_errors; })()},
                {{{"kind", "socketio"}}, sum([](P p) -> auto& { return p.sockets.malformed; })()}};
        });
    counter(
        "eventbus_upgrades_total", "Sessions that went from polling to WebSocket.",
        [](P p) -> auto& { return p.engine.upgraded; });
    counter(
        "eventbus_polls_compressed_total",
        "Answers to polls compressed for clients that accept it.",
        [](P p) -> auto& { return p.engine.compressed_polls; });
    counter(
        "eventbus_handed_over_total", "Requests that belonged to another reactor.",
        [](P p) -> auto& { return p.engine.handed_over; });

    metrics.add_counter("eventbus_events_published_total",
                        "Events taken from publishers, by entry of the catalog.",
                        [&lanes]() -> std::vector<Metrics::Sample> {
                            std::map<std::string, std::uint64_t> sums;
                            for (const auto& lane : lanes) lane->add_type_counts(sums);
                            std::vector<Metrics::Sample> samples;
                            samples.reserve(sums.size());
                            for (const auto& [entry, count] : sums) {
                                samples.push_back({{{"type", entry}}, static_cast<double>(count)});
                            }
                            return samples;
                        });
    metrics.add_counter("eventbus_events_appended_total", "Events that got a place in the log.",
                        [&log] { return static_cast<double>(log.appended.get()); });
    metrics.add_counter("eventbus_events_duplicate_total", "Publishes answered as a repeat.",
                        [&log] { return static_cast<double>(log.duplicates.get()); });
    metrics.add_gauge("eventbus_dedupe_keys", "Ids of publishes that are remembered now.",
                      [&log] { return static_cast<double>(log.dedupe_keys.get()); });
    metrics.add_counter("eventbus_dedupe_dropped_total",
                        "Ids forgotten before dedupe_window was over, as there were dedupe_max.",
                        [&log] { return static_cast<double>(log.dedupe_dropped.get()); });
    metrics.add_counter("eventbus_appends_refused_total", "Appends that were refused.",
                        [&log] { return static_cast<double>(log.refused.get()); });
    metrics.add_gauge("eventbus_log_pending_bytes", "Bytes appended and not yet visible.",
                      [&log] { return static_cast<double>(log.pending_bytes.get()); });
    metrics.add_gauge("eventbus_tail_bytes",
                      "Memory of the newest events, all reactors together: tail_bytes_max.",
                      [&tail = log_state.tail()] { return static_cast<double>(tail.bytes()); });
    metrics.add_counter(
        "eventbus_view_pages_read_total",
        "Pages that a view read from disk, as it came later than the tail has room for.",
        of_each_view(lanes, &ViewProbe::pages_read));
    metrics.add_counter(
        "eventbus_view_lost_total",
        "Transient events that a view did not see, as it came later than the tail has room for.",
        of_each_view(lanes, &ViewProbe::lost));
    metrics.add_counter("eventbus_log_syncs_total", "Synced writes.",
                        [&log] { return static_cast<double>(log.syncs.get()); });
    metrics.add_counter("eventbus_log_swept_total", "Events that retention took.",
                        [&log] { return static_cast<double>(log.swept_entries.get()); });
    metrics.add_gauge("eventbus_retention_hold_seconds",
                      "How long yet nothing is deleted for its age, after a jump of the clock; 0: "
                      "it is.",
                      [&log] { return static_cast<double>(log.hold_left_s.get()); });
    metrics.add_gauge(
        "eventbus_retention_hold_timestamp_seconds",
        "While that is so, what the clock says and what it would without the jump, in seconds "
        "since 1970; else 0.",
        [&log]() -> std::vector<Metrics::Sample> {
            return {{{{"clock", "expected"}}, static_cast<double>(log.hold_expected_s.get())},
                    {{{"clock", "now"}}, static_cast<double>(log.hold_clock_s.get())}};
        });
    metrics.add_gauge("eventbus_log_writable", "0 while the log takes no events.",
                      [&log_state] { return log_state.is_writable() ? 1.0 : 0.0; });
    metrics.add_latency("eventbus_append_seconds",
                        "From the publish of a durable event until it is synced and visible.",
                        [&log] { return std::vector<const LatencyHistogram*>{&log.append_time}; });
    metrics.add_latency("eventbus_log_sync_seconds", "Time of a synced write.",
                        [&log] { return std::vector<const LatencyHistogram*>{&log.sync_time}; });
    metrics.add_latency("eventbus_publish_to_send_seconds",
                        "From the publish of an event to its delivery on a reactor.", [&lanes] {
                            std::vector<const LatencyHistogram*> parts;
                            for (const auto& lane : lanes) {
                                parts.push_back(&lane->probes().delivery.publish_to_send);
                            }
                            return parts;
                        });

    add_group_metrics(metrics, lanes);

    counter(
        "eventbus_reactor_stalls_total", "Turns of a reactor of over 5 ms, preemption aside.",
        [](P p) -> auto& { return p.reactor.stalls(); });
    counter(
        "eventbus_reactor_preempted_turns_total",
        "Turns that took over 5 ms as others had the processor: threads, or the host's machines.",
        [](P p) -> auto& { return p.reactor.preempted_turns(); });
    metrics.add_gauge(
        "eventbus_io_uring_reactors", "Reactors whose writes share system calls.", [&lanes] {
            return static_cast<double>(std::ranges::count_if(
                lanes, [](const auto& lane) { return lane->reactor().sends_in_batches(); }));
        });
    metrics.add_counter("eventbus_log_lines_dropped_total",
                        "Lines of the server's own log that nobody took: they never wait.",
                        [] { return static_cast<double>(lines_dropped()); });
    metrics.add_gauge(
        "eventbus_reactor_stall_seconds",
        "The longest turn of a reactor so far, preemption aside; 0: none was over 5 ms.", [&lanes] {
            double longest = 0;
            for (const auto& lane : lanes) {
                const auto ns = lane->probes().reactor.stall_max_ns().get();
                longest = std::max(longest, static_cast<double>(ns) / 1e9);
            }
            return longest;
        });
}

void add_store_metrics(Metrics& metrics,
                       std::vector<std::pair<std::string, const Database*>> stores) {
    using Read = double (*)(const Database&);
    const auto each = [stores = std::move(stores)](Read read) {
        return [stores, read] {
            std::vector<Metrics::Sample> samples;
            samples.reserve(stores.size());
            for (const auto& [name, store] : stores) {
                samples.push_back({{{"store", name}}, read(*store)});
            }
            return samples;
        };
    };
    metrics.add_gauge("eventbus_store_writable",
                      "0 while a store takes no writes: its disk is nearly full, or one failed.",
                      each([](const Database& store) { return store.is_writable() ? 1.0 : 0.0; }));
    metrics.add_gauge("eventbus_store_gone",
                      "1 once the folder of a store was removed or replaced under the server, or a "
                      "file in it cut off: it takes no writes until a restart.",
                      each([](const Database& store) { return store.is_gone() ? 1.0 : 0.0; }));
    metrics.add_counter("eventbus_store_failures_total",
                        "Writes of a store that failed, and tries to open it again that did.",
                        each([](const Database& store) {
                            return static_cast<double>(store.probe().failures.get());
                        }));
    metrics.add_counter("eventbus_store_damages_total",
                        "Times a store was opened whose end was damaged or missing, so that what "
                        "was written last may be lost, or in which a damaged block was read.",
                        each([](const Database& store) {
                            return static_cast<double>(store.probe().damages.get());
                        }));
    metrics.add_gauge("eventbus_store_stalled_seconds",
                      "How long the disk of a store has not answered, from 5 s on; else 0.",
                      each([](const Database& store) {
                          return std::chrono::duration<double>(store.disk().stalled_for()).count();
                      }));
    metrics.add_counter("eventbus_store_stalls_total",
                        "Times the disk of a store did not answer for 5 s or more.",
                        each([](const Database& store) {
                            return static_cast<double>(store.disk().stalls().get());
                        }));
}

void add_subject_metrics(Metrics& metrics, const BindProbe& subjects) {
    const auto read = [](const Counter& counter) {
        return [&counter] { return static_cast<double>(counter.get()); };
    };
    metrics.add_gauge("eventbus_subjects", "Subjects that have an owner or grants: owners_max.",
                      read(subjects.subjects));
    metrics.add_counter("eventbus_subjects_refused_total",
                        "Events refused: owners_max, or the grants of one subject.",
                        read(subjects.refused_bound));
    metrics.add_counter(
        "eventbus_subjects_ended_total", "Subjects whose owner ended, by what ended it.",
        [&subjects]() -> std::vector<Metrics::Sample> {
            return {{{{"by", "disown"}}, static_cast<double>(subjects.disowned.get())},
                    {{{"by", "owner_ttl"}}, static_cast<double>(subjects.lapsed.get())}};
        });
    metrics.add_counter("eventbus_owner_conflicts_total",
                        "Events that named another owner than the subject has, in vain.",
                        read(subjects.owner_conflicts));
}

void add_session_metrics(Metrics& metrics, const SessionProbe& sessions) {
    const auto read = [](const Counter& counter) {
        return [&counter] { return static_cast<double>(counter.get()); };
    };
    metrics.add_gauge("eventbus_sessions", "Sessions that clients can resume, connected or not.",
                      read(sessions.sessions));
    metrics.add_gauge("eventbus_sessions_connected", "Of these, whose socket is connected.",
                      read(sessions.connected));
    metrics.add_gauge("eventbus_sessions_waiting_bytes",
                      "Bytes of sign-ins and changes that wait to be stored; past 64 MiB they are "
                      "refused for the moment.",
                      read(sessions.waiting_bytes));
    metrics.add_counter("eventbus_sessions_pushed_out_total",
                        "Sessions that a new one has pushed out at a bound.",
                        read(sessions.pushed_out));
    metrics.add_counter("eventbus_sessions_refused_total",
                        "Sockets that got no pid: there was no place or no room on the disk.",
                        read(sessions.refused));
    metrics.add_counter("eventbus_sessions_not_written_total",
                        "Changes of sessions that could not be written.",
                        read(sessions.not_written));
}

void add_tls_metrics(Metrics& metrics, const Lanes& lanes, const Certificate& certificate) {
    using P = const Lane::Probes&;
    metrics.add_gauge("eventbus_tls_certificate_expiry_timestamp_seconds",
                      "When the certificate ends that is shown, in seconds since 1970.",
                      [&certificate] { return static_cast<double>(certificate.expires_at_s()); });
    metrics.add_counter("eventbus_tls_handshakes_total", "TLS handshakes done.",
                        sum_of(
                            lanes, [](P p) -> auto& { return p.http.tls.handshakes; }));
    metrics.add_counter("eventbus_tls_handshake_failures_total",
                        "TLS handshakes that began and did not end well.",
                        sum_of(
                            lanes, [](P p) -> auto& { return p.http.tls.failures; }));
}

}  // namespace eventbus

package king.peer;

import java.util.HashMap;
import java.util.Map;

/**
 * What can be set from outside, each as {@code name=value}.
 *
 * @param brokers bootstrap servers
 * @param application the application id, which is also the consumer group
 * @param requests the topic of the requests
 * @param responses the topic of the responses
 * @param sessions the topic of the sessions
 * @param sessionPreamble in hex, what stands before a session in Avro's single-object encoding
 * @param state a directory for local state
 * @param commitMs milliseconds between two commits
 * @param joinInMemory whether the join's windows are in memory, else in RocksDB
 * @param sessionsInMemory whether the sessions are in memory, else in RocksDB
 */
record Options(
        String brokers,
        String application,
        String requests,
        String responses,
        String sessions,
        String sessionPreamble,
        String state,
        int commitMs,
        boolean joinInMemory,
        boolean sessionsInMemory) {

    static Options parse(String[] arguments) {
        Map<String, String> values = new HashMap<>();
        for (String argument : arguments) {
            String[] parts = argument.split("=", 2);
            if (parts.length != 2) {
                throw new IllegalArgumentException("not name=value: " + argument);
            }
            values.put(parts[0], parts[1]);
        }
        return new Options(
            required(values, "brokers"),
            required(values, "application"),
            required(values, "requests"),
            required(values, "responses"),
            required(values, "sessions"),
            required(values, "session-preamble"),
            required(values, "state"),
            Integer.parseInt(values.getOrDefault("commit-ms", "100")),
            values.getOrDefault("join", "rocksdb").equals("memory"),
            values.getOrDefault("session-store", "rocksdb").equals("memory"));
    }

    private static String required(Map<String, String> values, String name) {
        String value = values.get(name);
        if (value == null) {
            throw new IllegalArgumentException(name + "=... is missing");
        }
        return value;
    }
}

// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What a failed transaction means, read from its SQLSTATE.
enum Failure {
    /// The same work may well succeed if it is run again.
    REPEATABLE,
    /// The server, its network or its resources are not there now.
    UNAVAILABLE,
    DISK_FULL,
    /// Not the database's doing, or a statement that cannot succeed.
    OTHER;

    private static final Set<String> REPEATABLE_STATES = Set.of("40001", "40P01");

    private static final Set<String> UNAVAILABLE_STATES = Set.of(
            "25006", // read-only transaction: a replica that was the leader a moment ago
            "25P03", // idle in transaction for too long
            "55P03", // lock not to be had in time
            "57014", // statement took too long
            "57P01", // shut down by the administrator
            "57P02", // crashed
            "57P03", // starting up
            "57P05", // idle for too long
            "58030"); // input/output error

    static Failure of(Throwable thrown) {
        SQLException cause = sqlException(thrown);
        if (cause == null) {
            return OTHER;
        }
        String state = cause.getSQLState();
        if (state == null) {
            return cause instanceof SQLTransientConnectionException ? UNAVAILABLE : OTHER;
        }
        if (REPEATABLE_STATES.contains(state)) {
            return REPEATABLE;
        }
        if (state.equals("53100")) {
            return DISK_FULL;
        }
        // Class 08: connection lost or refused. Class 53: out of memory, connections or another resource.
        boolean unavailable = state.startsWith("08") || state.startsWith("53") || UNAVAILABLE_STATES.contains(state);
        return unavailable || cause instanceof SQLTransientConnectionException ? UNAVAILABLE : OTHER;
    }

    private static @Nullable SQLException sqlException(Throwable thrown) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof SQLException sql) {
                return sql;
            }
        }
        return null;
    }
}

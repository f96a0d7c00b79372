// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.pki.Bytes;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// Columns that may be empty: null then.
public final class Columns {
    private Columns() {}

    public static @Nullable Instant instant(ResultSet row, String column) throws SQLException {
        Timestamp time = row.getTimestamp(column);
        return time == null ? null : time.toInstant();
    }

    public static @Nullable Bytes bytes(ResultSet row, String column) throws SQLException {
        byte[] content = row.getBytes(column);
        return content == null ? null : Bytes.of(content);
    }
}

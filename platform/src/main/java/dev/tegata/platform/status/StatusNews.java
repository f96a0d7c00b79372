// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Changes;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;

/// Word that something about an authority's status has changed. Most of it is told by the database's
/// own triggers.
record StatusNews(TenantId tenant, AuthorityId authority) {
    static final String CHANNEL = Changes.STATUS_CHANNEL;

    /// Tells every node once the transaction has committed.
    static void tell(Handle tx, TenantId tenant, AuthorityId authority) {
        tx.createQuery("SELECT pg_notify(:channel, :news)::text")
                .bind("channel", CHANNEL)
                .bind("news", new StatusNews(tenant, authority).text())
                .mapTo(String.class)
                .findOne();
    }

    private String text() {
        return tenant + " " + authority;
    }

    /// Under which nodes hear of it as a change.
    String topic() {
        return Changes.statusTopic(text());
    }

    static Optional<StatusNews> read(String payload) {
        int space = payload.indexOf(' ');
        if (space < 0) {
            return Optional.empty();
        }
        return Optional.of(new StatusNews(
                new TenantId(payload.substring(0, space)),
                new AuthorityId(UUID.fromString(payload.substring(space + 1)))));
    }
}

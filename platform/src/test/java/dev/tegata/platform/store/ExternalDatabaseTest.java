// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.platform.testing.TestDatabase;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Transactions on a server named by its URL, as its superuser")
class ExternalDatabaseTest extends DatabaseContract {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase(TestServers::external);

    @Override
    TestDatabase testDatabase() {
        return testDatabase;
    }
}

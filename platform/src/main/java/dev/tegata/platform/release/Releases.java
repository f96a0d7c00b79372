// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.release;

/// The releases of a tenant.
public final class Releases {
    private static final String TAG = "tegata-release:";

    private Releases() {}

    /// The version that the tag of a release's endorsement is for; empty where it is another's tag.
    public static String versionOfTag(String tag) {
        if (!tag.startsWith(TAG)) {
            return "";
        }
        int end = tag.indexOf(':', TAG.length());
        return end < 0 ? "" : tag.substring(TAG.length(), end);
    }
}

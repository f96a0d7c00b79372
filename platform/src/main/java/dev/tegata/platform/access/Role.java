// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import static dev.tegata.platform.access.Permission.ASK_DECISIONS;
import static dev.tegata.platform.access.Permission.EXPORT_BACKUP;
import static dev.tegata.platform.access.Permission.IMPORT_MANIFESTS;
import static dev.tegata.platform.access.Permission.MANAGE_API_KEYS;
import static dev.tegata.platform.access.Permission.MANAGE_AUTHORITIES;
import static dev.tegata.platform.access.Permission.MANAGE_DEVICES;
import static dev.tegata.platform.access.Permission.READ_API_KEYS;
import static dev.tegata.platform.access.Permission.READ_APPRAISALS;
import static dev.tegata.platform.access.Permission.READ_AUDIT;
import static dev.tegata.platform.access.Permission.READ_DEVICES;
import static dev.tegata.platform.access.Permission.READ_FLEETS;
import static dev.tegata.platform.access.Permission.READ_MANIFESTS;
import static dev.tegata.platform.access.Permission.READ_TENANT;
import static dev.tegata.platform.access.Permission.VERIFY_EVIDENCE;

import dev.tegata.platform.Texts;
import java.util.EnumSet;
import java.util.Set;

/// What the holder of an API key is to the tenant. This file is the whole table.
public enum Role {
    /// Everything, and the only role that hands itself on.
    OWNER(EnumSet.allOf(Permission.class)),
    /// Everything but the owners' keys, the authorities, on which all trust hangs, and backups, which hold
    /// both.
    ADMIN(EnumSet.complementOf(EnumSet.of(MANAGE_AUTHORITIES, EXPORT_BACKUP))),
    /// The daily work with devices.
    OPERATOR(EnumSet.of(
            READ_TENANT,
            READ_FLEETS,
            READ_MANIFESTS,
            IMPORT_MANIFESTS,
            READ_DEVICES,
            MANAGE_DEVICES,
            VERIFY_EVIDENCE,
            READ_APPRAISALS,
            ASK_DECISIONS,
            READ_AUDIT)),
    /// Sees everything, changes nothing.
    AUDITOR(EnumSet.of(
            READ_TENANT, READ_FLEETS, READ_MANIFESTS, READ_DEVICES, READ_APPRAISALS, READ_API_KEYS, READ_AUDIT)),
    /// For the production line or the purchasing system that delivers manifests.
    DEVICE_IMPORT(EnumSet.of(READ_FLEETS, READ_MANIFESTS, IMPORT_MANIFESTS)),
    /// For brokers and gateways, which ask at the door.
    RELYING_PARTY(EnumSet.of(ASK_DECISIONS));

    private final Set<Permission> permissions;

    Role(Set<Permission> permissions) {
        this.permissions = permissions;
    }

    public boolean allows(Permission permission) {
        return permissions.contains(permission);
    }

    /// Whether a key of this role may make and revoke keys of `other`: nobody hands on what they do
    /// not have.
    public boolean mayManage(Role other) {
        return allows(MANAGE_API_KEYS) && permissions.containsAll(other.permissions);
    }

    /// The name in the API: `device-import`.
    public String id() {
        return Texts.word(this);
    }
}

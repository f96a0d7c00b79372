// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;

/// The functions of a PKCS#11 v2.40 module that the vault needs, called without any layer between.
///
/// Every argument of every function is a CK_ULONG, a pointer or a CK_BBOOL. Where CK_ULONG has 64 bits,
/// each of them travels in a 64-bit register or stack slot, so that one method handle per number of
/// arguments serves them all, and addresses are passed as numbers. The memory behind an address is kept
/// alive by the confined arena around the call. Windows, where CK_ULONG has 32 bits, is not supported.
final class Cryptoki {
    // CK_OBJECT_CLASS, CK_KEY_TYPE, CK_USER_TYPE
    static final long PUBLIC_KEY = 2;
    static final long PRIVATE_KEY = 3;
    static final long SECRET_KEY = 4;
    static final long RSA = 0;
    static final long EC = 3;
    static final long AES = 0x1f;
    static final long EC_EDWARDS = 0x40;
    static final long SECURITY_OFFICER = 0;
    static final long USER = 1;

    // CK_ATTRIBUTE_TYPE
    static final long CLASS = 0x00;
    static final long TOKEN = 0x01;
    static final long PRIVATE = 0x02;
    static final long LABEL = 0x03;
    static final long VALUE = 0x11;
    static final long KEY_TYPE = 0x100;
    static final long ID = 0x102;
    static final long SENSITIVE = 0x103;
    static final long DECRYPT = 0x105;
    static final long WRAP = 0x106;
    static final long UNWRAP = 0x107;
    static final long SIGN = 0x108;
    static final long VERIFY = 0x10a;
    static final long DERIVE = 0x10c;
    static final long MODULUS = 0x120;
    static final long MODULUS_BITS = 0x121;
    static final long PUBLIC_EXPONENT = 0x122;
    static final long PRIVATE_EXPONENT = 0x123;
    static final long PRIME_1 = 0x124;
    static final long PRIME_2 = 0x125;
    static final long EXPONENT_1 = 0x126;
    static final long EXPONENT_2 = 0x127;
    static final long COEFFICIENT = 0x128;
    static final long EXTRACTABLE = 0x162;
    static final long NEVER_EXTRACTABLE = 0x164;
    static final long ALWAYS_SENSITIVE = 0x165;
    static final long VALUE_LEN = 0x161;
    static final long EC_PARAMS = 0x180;
    static final long EC_POINT = 0x181;

    // CK_MECHANISM_TYPE
    static final long AES_KEY_GEN = 0x1080;
    static final long AES_KEY_WRAP_PAD = 0x210a;
    static final long RSA_PKCS_KEY_PAIR_GEN = 0x00;
    static final long RSA_PKCS = 0x01;
    static final long EC_KEY_PAIR_GEN = 0x1040;
    static final long ECDSA = 0x1041;
    static final long EC_EDWARDS_KEY_PAIR_GEN = 0x1055;
    static final long EDDSA = 0x1057;

    private static final long OS_LOCKING_OK = 1 << 1;
    private static final long RW_SESSION = 1 << 1;
    private static final long SERIAL_SESSION = 1 << 2;
    private static final long RW_USER_FUNCTIONS = 3;
    private static final long UNAVAILABLE = -1;
    private static final int MAX_SIGNATURE = 1024;
    private static final long MAX_ATTRIBUTE = 65_536;
    private static final int LABEL_SIZE = 32;
    private static final int MAX_SLOTS = 65_536;
    private static final int MAX_MECHANISMS = 4096;
    private static final int MAX_WRAPPED = 8192;

    private static final MethodHandle CALL_1 = handle(1);
    private static final MethodHandle CALL_2 = handle(2);
    private static final MethodHandle CALL_3 = handle(3);
    private static final MethodHandle CALL_4 = handle(4);
    private static final MethodHandle CALL_5 = handle(5);
    private static final MethodHandle CALL_6 = handle(6);
    private static final MethodHandle CALL_8 = handle(8);

    /// CK_FUNCTION_LIST. The tests put faults into a copy of it.
    final MemorySegment functions;

    /// A function and its place in CK_FUNCTION_LIST.
    private enum Function {
        C_INITIALIZE(0, "C_Initialize"),
        C_FINALIZE(1, "C_Finalize"),
        C_GET_INFO(2, "C_GetInfo"),
        C_GET_SLOT_LIST(4, "C_GetSlotList"),
        C_GET_SLOT_INFO(5, "C_GetSlotInfo"),
        C_GET_TOKEN_INFO(6, "C_GetTokenInfo"),
        C_GET_MECHANISM_LIST(7, "C_GetMechanismList"),
        C_GET_MECHANISM_INFO(8, "C_GetMechanismInfo"),
        C_INIT_TOKEN(9, "C_InitToken"),
        C_INIT_PIN(10, "C_InitPIN"),
        C_OPEN_SESSION(12, "C_OpenSession"),
        C_CLOSE_SESSION(13, "C_CloseSession"),
        C_GET_SESSION_INFO(15, "C_GetSessionInfo"),
        C_LOGIN(18, "C_Login"),
        C_LOGOUT(19, "C_Logout"),
        C_CREATE_OBJECT(20, "C_CreateObject"),
        C_DESTROY_OBJECT(22, "C_DestroyObject"),
        C_GET_ATTRIBUTE_VALUE(24, "C_GetAttributeValue"),
        C_SET_ATTRIBUTE_VALUE(25, "C_SetAttributeValue"),
        C_FIND_OBJECTS_INIT(26, "C_FindObjectsInit"),
        C_FIND_OBJECTS(27, "C_FindObjects"),
        C_FIND_OBJECTS_FINAL(28, "C_FindObjectsFinal"),
        C_SIGN_INIT(42, "C_SignInit"),
        C_SIGN(43, "C_Sign"),
        C_GENERATE_KEY(58, "C_GenerateKey"),
        C_GENERATE_KEY_PAIR(59, "C_GenerateKeyPair"),
        C_WRAP_KEY(60, "C_WrapKey"),
        C_UNWRAP_KEY(61, "C_UnwrapKey");

        private static final int COUNT = 68;
        /// CK_VERSION, padded to the alignment of a pointer.
        private static final int LIST_HEADER = 8;

        private final int offset;
        private final String label;

        Function(int index, String label) {
            this.offset = LIST_HEADER + 8 * index;
            this.label = label;
        }
    }

    /// One CK_ATTRIBUTE of a template.
    record Attribute(long type, byte[] value) {
        static Attribute of(long type, boolean value) {
            return new Attribute(type, new byte[] {(byte) (value ? 1 : 0)});
        }

        static Attribute of(long type, long value) {
            byte[] bytes = new byte[8];
            MemorySegment.ofArray(bytes).set(ValueLayout.JAVA_LONG_UNALIGNED, 0, value);
            return new Attribute(type, bytes);
        }

        static Attribute of(long type, String value) {
            return new Attribute(type, value.getBytes(StandardCharsets.UTF_8));
        }

        /// Nothing of the value.
        @Override
        public String toString() {
            return "attribute 0x" + Long.toHexString(type);
        }
    }

    /// CK_INFO.
    record ModuleInfo(String cryptokiVersion, String manufacturer, String description, String version) {}

    /// CK_TOKEN_INFO. Unknown numbers are empty.
    ///
    /// @param finalTry whether one more wrong PIN locks the user out
    record TokenInfo(
            String label,
            String manufacturer,
            String model,
            String serialNumber,
            boolean initialized,
            boolean userPinInitialized,
            boolean finalTry,
            boolean locked,
            OptionalLong maxSessions,
            OptionalLong freeMemory) {
        private static final long UNAVAILABLE_INFORMATION = -1;

        private static TokenInfo read(MemorySegment info) {
            long flags = info.get(ValueLayout.JAVA_LONG, 96);
            return new TokenInfo(
                    text(info, 0, LABEL_SIZE),
                    text(info, 32, 32),
                    text(info, 64, 16),
                    text(info, 80, 16),
                    (flags & 1 << 10) != 0,
                    (flags & 1 << 3) != 0,
                    (flags & 1 << 17) != 0,
                    (flags & 1 << 18) != 0,
                    // spec| PKCS#11 v2.40 §3.2: CK_EFFECTIVELY_INFINITE is 0
                    number(info.get(ValueLayout.JAVA_LONG, 104)),
                    number(info.get(ValueLayout.JAVA_LONG, 168)));
        }

        private static OptionalLong number(long value) {
            return value == UNAVAILABLE_INFORMATION || value == 0 ? OptionalLong.empty() : OptionalLong.of(value);
        }
    }

    /// CK_MECHANISM_INFO: sizes of keys, in bits or bytes as the mechanism counts.
    record MechanismInfo(long minKeySize, long maxKeySize) {}

    record KeyPair(long publicKey, long privateKey) {}

    Cryptoki(MemorySegment functions) {
        this.functions = functions;
    }

    /// Loads a module for the life of the process. It is not initialized yet.
    ///
    /// @throws VaultException where there is no such library, or it is no PKCS#11 module
    static Cryptoki load(Path library) {
        if (ValueLayout.ADDRESS.byteSize() != 8
                || System.getProperty("os.name", "").startsWith("Windows")) {
            throw new VaultException("PKCS#11 needs a 64-bit operating system other than Windows", false);
        }
        if (!Files.isReadable(library)) {
            throw new VaultException("there is no PKCS#11 library " + library, false);
        }
        try {
            MemorySegment getFunctionList = SymbolLookup.libraryLookup(library, Arena.global())
                    .find("C_GetFunctionList")
                    .orElseThrow(() -> new VaultException(library + " is not a PKCS#11 library", false));
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
                check("C_GetFunctionList", call(getFunctionList, out.address()));
                MemorySegment list = out.get(ValueLayout.ADDRESS, 0);
                return new Cryptoki(list.reinterpret(Function.LIST_HEADER + 8 * Function.COUNT));
            }
        } catch (IllegalArgumentException e) {
            throw new VaultException("the PKCS#11 library " + library + " cannot be loaded", false, e);
        } catch (CryptokiException e) {
            throw e.asVaultException("loading " + library);
        }
    }

    /// Loads the module once more, as if it had never been loaded: the linker knows a library by its file.
    static Cryptoki loadCopy(Path library) {
        try {
            Path copy = Files.createTempFile("tegata-pkcs11-", ".so");
            try {
                Files.copy(library, copy, StandardCopyOption.REPLACE_EXISTING);
                return load(copy);
            } finally {
                Files.delete(copy);
            }
        } catch (IOException | VaultException e) {
            throw new VaultException(
                    "the PKCS#11 library " + library + " hangs and cannot be loaded once more (" + e.getMessage()
                            + "): restart the server",
                    true,
                    e);
        }
    }

    /// Whether this call initialized the module; it was before where not.
    boolean initialize() throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            // CK_C_INITIALIZE_ARGS: four mutex functions, flags, reserved
            MemorySegment arguments = arena.allocate(6 * 8, 8);
            arguments.setAtIndex(ValueLayout.JAVA_LONG, 4, OS_LOCKING_OK);
            call(Function.C_INITIALIZE, arguments.address());
            return true;
        } catch (CryptokiException e) {
            if (e.code() == CryptokiException.CRYPTOKI_ALREADY_INITIALIZED) {
                return false;
            }
            throw e;
        }
    }

    void shutDown() throws CryptokiException {
        call(Function.C_FINALIZE, 0);
    }

    /// The slots that have a token, initialized or not.
    long[] slots() throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
            call(Function.C_GET_SLOT_LIST, 1, 0, count.address());
            // Room for the slots that appear in between.
            long room = Math.min(count.get(ValueLayout.JAVA_LONG, 0), MAX_SLOTS) + 16;
            MemorySegment slots = arena.allocate(ValueLayout.JAVA_LONG, room);
            count.set(ValueLayout.JAVA_LONG, 0, room);
            call(Function.C_GET_SLOT_LIST, 1, slots.address(), count.address());
            return slots.asSlice(0, 8 * count.get(ValueLayout.JAVA_LONG, 0)).toArray(ValueLayout.JAVA_LONG);
        }
    }

    ModuleInfo info() throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            // CK_INFO: version (2), manufacturer (32), padding to 8, flags (8), description (32), version (2)
            MemorySegment info = arena.allocate(88, 8);
            call(Function.C_GET_INFO, info.address());
            return new ModuleInfo(version(info, 0), text(info, 2, 32), text(info, 48, 32), version(info, 80));
        }
    }

    private static String version(MemorySegment memory, long offset) {
        return memory.get(ValueLayout.JAVA_BYTE, offset) + "." + memory.get(ValueLayout.JAVA_BYTE, offset + 1);
    }

    /// Fixed-size text, padded by blanks.
    private static String text(MemorySegment memory, long offset, int size) {
        byte[] bytes = memory.asSlice(offset, size).toArray(ValueLayout.JAVA_BYTE);
        return new String(bytes, StandardCharsets.UTF_8).replace('\0', ' ').strip();
    }

    String slotDescription(long slot) throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            // CK_SLOT_INFO: description (64), manufacturer (32), flags, two versions
            MemorySegment info = arena.allocate(112, 8);
            call(Function.C_GET_SLOT_INFO, slot, info.address());
            return text(info, 0, 64);
        }
    }

    TokenInfo tokenInfo(long slot) throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(208, 8);
            call(Function.C_GET_TOKEN_INFO, slot, info.address());
            return TokenInfo.read(info);
        }
    }

    long[] mechanisms(long slot) throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
            call(Function.C_GET_MECHANISM_LIST, slot, 0, count.address());
            long room = Math.min(count.get(ValueLayout.JAVA_LONG, 0), MAX_MECHANISMS);
            MemorySegment mechanisms = arena.allocate(ValueLayout.JAVA_LONG, Math.max(room, 1));
            count.set(ValueLayout.JAVA_LONG, 0, room);
            call(Function.C_GET_MECHANISM_LIST, slot, mechanisms.address(), count.address());
            return mechanisms
                    .asSlice(0, 8 * Math.min(room, count.get(ValueLayout.JAVA_LONG, 0)))
                    .toArray(ValueLayout.JAVA_LONG);
        }
    }

    MechanismInfo mechanismInfo(long slot, long mechanism) throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(3 * 8, 8);
            call(Function.C_GET_MECHANISM_INFO, slot, mechanism, info.address());
            return new MechanismInfo(
                    info.getAtIndex(ValueLayout.JAVA_LONG, 0), info.getAtIndex(ValueLayout.JAVA_LONG, 1));
        }
    }

    void initToken(long slot, String securityOfficerPin, String label) throws CryptokiException {
        byte[] padded = new byte[LABEL_SIZE];
        Arrays.fill(padded, (byte) ' ');
        byte[] text = label.getBytes(StandardCharsets.UTF_8);
        System.arraycopy(text, 0, padded, 0, text.length);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = arena.allocateFrom(ValueLayout.JAVA_BYTE, padded);
            withPin(securityOfficerPin, (pin, size) -> call(Function.C_INIT_TOKEN, slot, pin, size, name.address()));
        }
    }

    /// Sets the user's PIN in a session of the security officer.
    void initPin(long session, String userPin) throws CryptokiException {
        withPin(userPin, (pin, size) -> call(Function.C_INIT_PIN, session, pin, size));
    }

    /// Opens a session that may write.
    long openSession(long slot) throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment session = arena.allocate(ValueLayout.JAVA_LONG);
            call(Function.C_OPEN_SESSION, slot, RW_SESSION | SERIAL_SESSION, 0, 0, session.address());
            return session.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    void closeSession(long session) throws CryptokiException {
        call(Function.C_CLOSE_SESSION, session);
    }

    boolean loggedIn(long session) throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            // CK_SESSION_INFO: slot, state, flags, device error
            MemorySegment info = arena.allocate(4 * 8, 8);
            call(Function.C_GET_SESSION_INFO, session, info.address());
            return info.getAtIndex(ValueLayout.JAVA_LONG, 1) == RW_USER_FUNCTIONS;
        }
    }

    void login(long session, long user, String userPin) throws CryptokiException {
        withPin(userPin, (pin, size) -> call(Function.C_LOGIN, session, user, pin, size));
    }

    void logout(long session) throws CryptokiException {
        call(Function.C_LOGOUT, session);
    }

    long createObject(long session, List<Attribute> template) throws CryptokiException {
        try (Template attributes = new Template(template);
                Arena arena = Arena.ofConfined()) {
            MemorySegment object = arena.allocate(ValueLayout.JAVA_LONG);
            call(Function.C_CREATE_OBJECT, session, attributes.address(), attributes.count(), object.address());
            return object.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    void destroyObject(long session, long object) throws CryptokiException {
        call(Function.C_DESTROY_OBJECT, session, object);
    }

    /// The first objects, `max` at most, that have all attributes of the template.
    long[] findObjects(long session, List<Attribute> template, int max) throws CryptokiException {
        try (Template attributes = new Template(template);
                Arena arena = Arena.ofConfined()) {
            MemorySegment objects = arena.allocate(ValueLayout.JAVA_LONG, max);
            MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
            call(Function.C_FIND_OBJECTS_INIT, session, attributes.address(), attributes.count());
            try {
                call(Function.C_FIND_OBJECTS, session, objects.address(), max, count.address());
            } finally {
                call(Function.C_FIND_OBJECTS_FINAL, session);
            }
            return objects.asSlice(0, 8 * count.get(ValueLayout.JAVA_LONG, 0)).toArray(ValueLayout.JAVA_LONG);
        }
    }

    byte[] attribute(long session, long object, long type) throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment attribute = arena.allocate(Template.ATTRIBUTE_SIZE, 8);
            attribute.setAtIndex(ValueLayout.JAVA_LONG, 0, type);
            call(Function.C_GET_ATTRIBUTE_VALUE, session, object, attribute.address(), 1);
            long size = attribute.getAtIndex(ValueLayout.JAVA_LONG, 2);
            if (size == UNAVAILABLE || size > MAX_ATTRIBUTE) {
                throw new CryptokiException("C_GetAttributeValue", 0x12); // CKR_ATTRIBUTE_TYPE_INVALID
            }
            MemorySegment value = arena.allocate(Math.max(size, 1));
            attribute.setAtIndex(ValueLayout.JAVA_LONG, 1, value.address());
            call(Function.C_GET_ATTRIBUTE_VALUE, session, object, attribute.address(), 1);
            return value.asSlice(0, Math.min(size, attribute.getAtIndex(ValueLayout.JAVA_LONG, 2)))
                    .toArray(ValueLayout.JAVA_BYTE);
        }
    }

    boolean flag(long session, long object, long type) throws CryptokiException {
        byte[] value = attribute(session, object, type);
        return value.length == 1 && value[0] != 0;
    }

    KeyPair generateKeyPair(long session, long mechanism, List<Attribute> publicKey, List<Attribute> privateKey)
            throws CryptokiException {
        try (Template publicAttributes = new Template(publicKey);
                Template privateAttributes = new Template(privateKey);
                Arena arena = Arena.ofConfined()) {
            MemorySegment handles = arena.allocate(ValueLayout.JAVA_LONG, 2);
            call(
                    Function.C_GENERATE_KEY_PAIR,
                    session,
                    mechanism(arena, mechanism).address(),
                    publicAttributes.address(),
                    publicAttributes.count(),
                    privateAttributes.address(),
                    privateAttributes.count(),
                    handles.address(),
                    handles.address() + 8);
            return new KeyPair(
                    handles.getAtIndex(ValueLayout.JAVA_LONG, 0), handles.getAtIndex(ValueLayout.JAVA_LONG, 1));
        }
    }

    byte[] sign(long session, long mechanism, long key, byte[] data) throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment input = arena.allocateFrom(ValueLayout.JAVA_BYTE, data);
            MemorySegment signature = arena.allocate(MAX_SIGNATURE);
            MemorySegment size = arena.allocateFrom(ValueLayout.JAVA_LONG, MAX_SIGNATURE);
            call(Function.C_SIGN_INIT, session, mechanism(arena, mechanism).address(), key);
            call(Function.C_SIGN, session, input.address(), data.length, signature.address(), size.address());
            return signature.asSlice(0, size.get(ValueLayout.JAVA_LONG, 0)).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    long generateKey(long session, long mechanism, List<Attribute> template) throws CryptokiException {
        try (Template attributes = new Template(template);
                Arena arena = Arena.ofConfined()) {
            MemorySegment key = arena.allocate(ValueLayout.JAVA_LONG);
            call(
                    Function.C_GENERATE_KEY,
                    session,
                    mechanism(arena, mechanism).address(),
                    attributes.address(),
                    attributes.count(),
                    key.address());
            return key.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    byte[] wrapKey(long session, long mechanism, long wrappingKey, long key) throws CryptokiException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment wrapped = arena.allocate(MAX_WRAPPED);
            MemorySegment size = arena.allocateFrom(ValueLayout.JAVA_LONG, MAX_WRAPPED);
            call(
                    Function.C_WRAP_KEY,
                    session,
                    mechanism(arena, mechanism).address(),
                    wrappingKey,
                    key,
                    wrapped.address(),
                    size.address());
            return wrapped.asSlice(0, size.get(ValueLayout.JAVA_LONG, 0)).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    long unwrapKey(long session, long mechanism, long unwrappingKey, byte[] wrapped, List<Attribute> template)
            throws CryptokiException {
        try (Template attributes = new Template(template);
                Arena arena = Arena.ofConfined()) {
            MemorySegment input = arena.allocateFrom(ValueLayout.JAVA_BYTE, wrapped);
            MemorySegment key = arena.allocate(ValueLayout.JAVA_LONG);
            call(
                    Function.C_UNWRAP_KEY,
                    session,
                    mechanism(arena, mechanism).address(),
                    unwrappingKey,
                    input.address(),
                    wrapped.length,
                    attributes.address(),
                    attributes.count(),
                    key.address());
            return key.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    void setAttributes(long session, long object, List<Attribute> template) throws CryptokiException {
        try (Template attributes = new Template(template)) {
            call(Function.C_SET_ATTRIBUTE_VALUE, session, object, attributes.address(), attributes.count());
        }
    }

    /// CK_MECHANISM without a parameter.
    private static MemorySegment mechanism(Arena arena, long type) {
        MemorySegment mechanism = arena.allocate(3 * 8, 8);
        mechanism.set(ValueLayout.JAVA_LONG, 0, type);
        return mechanism;
    }

    private interface PinUse {
        void with(long address, long size) throws CryptokiException;
    }

    private static void withPin(String pin, PinUse use) throws CryptokiException {
        byte[] utf8 = pin.getBytes(StandardCharsets.UTF_8);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_BYTE, utf8);
            try {
                use.with(memory.address(), utf8.length);
            } finally {
                memory.fill((byte) 0);
            }
        } finally {
            Arrays.fill(utf8, (byte) 0);
        }
    }

    /// An array of CK_ATTRIBUTE in native memory, wiped when closed: it may hold a private key.
    private static final class Template implements AutoCloseable {
        static final int ATTRIBUTE_SIZE = 3 * 8;

        private final Arena arena = Arena.ofConfined();
        private final MemorySegment attributes;
        private final List<MemorySegment> values = new ArrayList<>();

        Template(List<Attribute> template) {
            attributes = arena.allocate((long) ATTRIBUTE_SIZE * template.size(), 8);
            for (int i = 0; i < template.size(); i++) {
                Attribute attribute = template.get(i);
                // CK_ULONG values must be aligned.
                MemorySegment value = arena.allocate(Math.max(attribute.value().length, 1), 8);
                MemorySegment.copy(attribute.value(), 0, value, ValueLayout.JAVA_BYTE, 0, attribute.value().length);
                values.add(value);
                attributes.setAtIndex(ValueLayout.JAVA_LONG, 3L * i, attribute.type());
                attributes.setAtIndex(ValueLayout.JAVA_LONG, 3L * i + 1, value.address());
                attributes.setAtIndex(ValueLayout.JAVA_LONG, 3L * i + 2, attribute.value().length);
            }
        }

        long address() {
            return attributes.address();
        }

        long count() {
            return values.size();
        }

        @Override
        public void close() {
            values.forEach(value -> value.fill((byte) 0));
            arena.close();
        }
    }

    private void call(Function function, long... arguments) throws CryptokiException {
        check(function.label, call(functions.get(ValueLayout.ADDRESS, function.offset), arguments));
    }

    private static void check(String function, long code) throws CryptokiException {
        if (code != 0) {
            throw new CryptokiException(function, code);
        }
    }

    private static long call(MemorySegment function, long... a) {
        try {
            return switch (a.length) {
                case 1 -> (long) CALL_1.invokeExact(function, a[0]);
                case 2 -> (long) CALL_2.invokeExact(function, a[0], a[1]);
                case 3 -> (long) CALL_3.invokeExact(function, a[0], a[1], a[2]);
                case 4 -> (long) CALL_4.invokeExact(function, a[0], a[1], a[2], a[3]);
                case 5 -> (long) CALL_5.invokeExact(function, a[0], a[1], a[2], a[3], a[4]);
                case 6 -> (long) CALL_6.invokeExact(function, a[0], a[1], a[2], a[3], a[4], a[5]);
                case 8 -> (long) CALL_8.invokeExact(function, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
                default -> throw new IllegalArgumentException("no function has " + a.length + " arguments");
            };
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("native functions throw nothing", e);
        }
    }

    private static MethodHandle handle(int arguments) {
        MemoryLayout[] layouts = new MemoryLayout[arguments];
        Arrays.fill(layouts, ValueLayout.JAVA_LONG);
        return Linker.nativeLinker().downcallHandle(FunctionDescriptor.of(ValueLayout.JAVA_LONG, layouts));
    }
}

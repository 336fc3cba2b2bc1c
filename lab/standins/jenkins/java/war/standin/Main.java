package standin;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Enumeration;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/**
 * Main class of the Jenkins stand-in's war: unpacks it, as Jenkins' does, and runs the Python program that is in it.
 *
 * <p>The program gets the JVM's system properties and the arguments as text on its standard input, which then stays
 * open: its end tells the program that this JVM is gone. When the program ends, the JVM ends with the same code.
 */
public final class Main {
    private static final String PROGRAM = "WEB-INF/standin/";
    private static final String AGENT_JAR = "WEB-INF/agent.jar";
    private static final String PYTHON = "/usr/bin/python3";
    private static final int RESTART = 90;
    // Jenkins' own rules: from which core on its war starts with which versions of Java, newest first
    private static final int[][] JAVAS = {
        {555, 21, 25}, {541, 17, 21, 25}, {479, 17, 21}, {426, 11, 17, 21}, {361, 11, 17}, {0, 8, 11},
    };

    private Main() {}

    public static void main(String[] arguments) throws IOException, InterruptedException, URISyntaxException {
        Path war = Paths.get(Main.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        try (JarFile jar = new JarFile(war.toFile())) {
            String version = jar.getManifest().getMainAttributes().getValue("Jenkins-Version");
            if (List.of(arguments).contains("--version")) {
                System.out.println(version + " (stand-in, not Jenkins)");
                return;
            }
            if (refuses(version, Runtime.version().feature(), List.of(arguments))) {
                System.exit(1);
            }
            System.out.println("Running from: " + war + " (Jenkins " + version + " stand-in; not Jenkins)");
            Path webroot = webroot(arguments);
            unpack(jar, webroot);
            int code;
            do {
                code = run(webroot, arguments);
            } while (code == RESTART);
            System.exit(code);
        }
    }

    /** As Jenkins' war: says why, and whether it is so bad that it does not start. */
    private static boolean refuses(String version, int java, List<String> arguments) {
        int minor = Integer.parseInt(version.split("\\.")[1]);
        int[] row = Arrays.stream(JAVAS).filter(each -> minor >= each[0]).findFirst().orElseThrow();
        int[] allowed = Arrays.copyOfRange(row, 1, row.length);
        if (Arrays.stream(allowed).anyMatch(each -> each == java)) {
            return false;
        }
        String found = "Running with Java " + java + ", but Jenkins " + version + " supports " + Arrays.toString(allowed);
        boolean future = arguments.contains("--enable-future-java") && java > allowed[0];
        System.err.println(found + (future ? ": --enable-future-java lets it" : ". See --enable-future-java"));
        return !future;
    }

    private static Path webroot(String[] arguments) {
        String found = null;
        for (String argument : arguments) {
            if (argument.startsWith("--webroot=")) {
                found = argument.substring("--webroot=".length());
            }
        }
        if (found != null) {
            return Paths.get(found).toAbsolutePath();
        }
        String home = System.getenv("JENKINS_HOME");
        return home != null ? Paths.get(home, "war") : Paths.get(System.getProperty("user.home"), ".jenkins", "war");
    }

    private static void unpack(JarFile jar, Path webroot) throws IOException {
        Enumeration<JarEntry> entries = jar.entries();
        while (entries.hasMoreElements()) {
            JarEntry entry = entries.nextElement();
            String name = entry.getName();
            if (entry.isDirectory() || !(name.startsWith(PROGRAM) || name.equals(AGENT_JAR))) {
                continue;
            }
            Path target = webroot.resolve(name).normalize();
            if (!target.startsWith(webroot)) {
                throw new IOException("entry outside of the war: " + name);
            }
            Files.createDirectories(target.getParent());
            try (InputStream content = jar.getInputStream(entry)) {
                Files.copy(content, target, StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    private static int run(Path webroot, String[] arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(PYTHON, "-s", "-m", "jenkins_standin"));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("PYTHONPATH", webroot.resolve(PROGRAM).toString());
        builder.environment().put("PYTHONDONTWRITEBYTECODE", "1");
        builder.redirectOutput(ProcessBuilder.Redirect.INHERIT).redirectError(ProcessBuilder.Redirect.INHERIT);
        Process program = builder.start();
        // The JVM waits for its shutdown hooks: the program saves the queue before both are gone.
        Thread hook = new Thread(() -> end(program));
        Runtime.getRuntime().addShutdownHook(hook);
        OutputStream input = program.getOutputStream();
        input.write(described(arguments).getBytes(StandardCharsets.UTF_8));
        input.flush();
        int code = program.waitFor();
        if (code == RESTART) {
            Runtime.getRuntime().removeShutdownHook(hook);
        }
        return code;
    }

    /** Lines "P name=value" and "A argument", with \ and line ends escaped, and an empty line at the end. */
    private static String described(String[] arguments) {
        StringBuilder text = new StringBuilder();
        for (Map.Entry<Object, Object> property : System.getProperties().entrySet()) {
            text.append("P ").append(escaped(property.getKey() + "=" + property.getValue())).append('\n');
        }
        for (String argument : arguments) {
            text.append("A ").append(escaped(argument)).append('\n');
        }
        return text.append('\n').toString();
    }

    private static String escaped(String text) {
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r");
    }

    private static void end(Process program) {
        program.destroy(); // SIGTERM
        try {
            program.waitFor();
        } catch (InterruptedException interrupted) {
            program.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * An example for producers in other languages: writes interactions straight into Weaklink's topic, without the
 * collector. Four things matter:
 *
 * <ol>
 *   <li>The key is the customer (or the anonymous id), in UTF-8, exactly as in the value: a record with another key is
 *       rejected.
 *   <li>The partitioner is the client's default one (murmur2 of the key): all records of a customer go to one partition.
 *   <li>The value is one interaction as JSON, with an id of its own: sent twice, it counts once.
 *   <li>The record is a CloudEvent in binary mode: the value is the data, the attributes are headers. They may be left
 *       out; what is there must agree with the value.
 * </ol>
 *
 * <p>Three interactions for each of the given number of customers (java-1, java-2, …); needs a JDK 17 or newer:
 *
 * <pre>java -cp 'FOLDER-OF-JARS/*' InteractionProducer.java 127.0.0.1:9092 weaklink.interactions 100</pre>
 */
public class InteractionProducer {
  public static void main(String[] args) throws Exception {
    String brokers = args[0];
    String topic = args[1];
    int customers = Integer.parseInt(args[2]);

    Properties settings = new Properties();
    settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
    settings.put(ProducerConfig.ACKS_CONFIG, "all");
    settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, "true");

    List<Future<RecordMetadata>> sent = new ArrayList<>();
    try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
      // Never in the future: that is rejected.
      Instant start = Instant.now().minusSeconds(3600);
      for (int n = 1; n <= customers; n++) {
        String customer = "java-" + n;
        sent.add(producer.send(record(topic, customer, 1, "ad_view", start, "continued")));
        sent.add(producer.send(record(topic, customer, 2, "call_wait", start.plusSeconds(60), "continued")));
        sent.add(producer.send(record(topic, customer, 3, "order", start.plusSeconds(120), "bought")));
      }
      // Only what was acknowledged is durable.
      for (Future<RecordMetadata> one : sent) one.get();
    }
    System.out.println("sent " + sent.size());
  }

  private static ProducerRecord<String, String> record(
      String topic, String customer, int number, String touchpoint, Instant at, String outcome) {
    String id = customer + "-" + number;
    // A library for JSON would escape what is needed; these have nothing to escape.
    String value =
        String.format(
            "{\"id\":\"%s\",\"customer\":\"%s\",\"touchpoint\":\"%s\",\"at\":\"%s\",\"outcome\":\"%s\"}",
            id, customer, touchpoint, at, outcome);
    var record = new ProducerRecord<>(topic, customer, value);
    header(record, "ce_specversion", "1.0");
    header(record, "ce_id", id);
    header(record, "ce_source", "/example/java");
    header(record, "ce_type", "weaklink.interaction");
    header(record, "ce_subject", customer);
    header(record, "ce_time", at.toString());
    header(record, "content-type", "application/json");
    return record;
  }

  private static void header(ProducerRecord<String, String> record, String name, String value) {
    record.headers().add(name, value.getBytes(StandardCharsets.UTF_8));
  }
}

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Writes every key of a file (one a line, UTF-8 in base 64) to every topic, the value being the number of its line.
 * Nothing is set about partitions: where they go is the client's default.
 */
public class KeyProducer {
  public static void main(String[] args) throws Exception {
    List<String> keys = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of(args[1]))) keys.add(new String(Base64.getDecoder().decode(line), UTF_8));
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    Map<String, Object> settings = Map.of("bootstrap.servers", args[0]);
    try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
      for (int t = 2; t < args.length; t++)
        for (int k = 0; k < keys.size(); k++)
          sent.add(producer.send(new ProducerRecord<>(args[t], keys.get(k), String.valueOf(k))));
      for (Future<RecordMetadata> one : sent) one.get();
    }
  }
}

<?php
// Prints the webhooks of addcard, after it has verified them. It is an example to copy
// from, and needs nothing but PHP 8.0 or newer:
//
//   WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:9000 receiver.php
declare(strict_types=1);

const TOLERANCE = 5 * 60; // seconds: how old a request may be, and how wrong the clocks

// Reports whether the request was signed with the key within the tolerance.
function verify(string $key, string $id, string $timestamp, string $signatures, string $body): bool
{
    if ($id === '' || !ctype_digit($timestamp) || abs(time() - (int) $timestamp) > TOLERANCE) {
        return false;
    }
    $want = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    // There are two signatures for a day after the secret was changed.
    foreach (explode(' ', $signatures) as $got) {
        if (hash_equals($want, $got)) { // in constant time
            return true;
        }
    }
    return false;
}

// Does the work once for each id: an event can come twice. A real receiver stores the id
// in its database, in the transaction of what it does; this one makes a file for each. It
// ignores types that it does not know.
function handle(string $id, string $body): void
{
    $folder = sys_get_temp_dir() . '/webhooks-seen';
    $seen = $folder . '/' . hash('sha256', $id);
    if (is_file($seen)) {
        return;
    }
    $event = json_decode($body, false, 512, JSON_THROW_ON_ERROR);
    $data = json_encode($event->data, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
    file_put_contents('php://stdout', "$event->type $data\n");
    if (!is_dir($folder)) {
        mkdir($folder, 0700);
    }
    touch($seen);
}

$key = base64_decode(preg_replace('/^whsec_/', '', (string) getenv('WEBHOOK_SECRET')), true);
if ($key === false || $key === '') {
    error_log("WEBHOOK_SECRET must be the endpoint's secret: whsec_ and base64");
    http_response_code(500);
    exit;
}
// The signature is of these bytes: read them before anything parses them.
$body = (string) file_get_contents('php://input', length: 1 << 20);
$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
$signatures = $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '';
if (!verify($key, $id, $timestamp, $signatures, $body)) {
    http_response_code(400);
    exit;
}
try {
    handle($id, $body);
    http_response_code(204);
} catch (Throwable $err) {
    error_log($err->getMessage());
    http_response_code(500); // addcard sends it again
}

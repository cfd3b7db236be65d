// A real OpenID provider on a free port of this machine, for tests: whoever gives a name there is that person, whatever the password.
// Arguments: the folder that oidc-provider is installed in, and the client's secret. Prints its issuer once it answers.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [folder, secret] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`));

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: "headgate", client_secret: secret, redirect_uris: ["http://localhost/console/sign-in/back"] }],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: "root@example.org", email_verified: true }) }),
    claims: { openid: ["sub", "email", "email_verified"] },
    cookies: { keys: ["for tests"] },
    pkce: { required: () => true },
  });
  // The installation under test listens wherever a port is free; only its path is known beforehand.
  provider.Client.prototype.redirectUriAllowed = (uri) => {
    const { hostname, pathname } = new URL(uri);
    return hostname === "localhost" && pathname === "/console/sign-in/back";
  };
  server.on("request", provider.callback());
  console.log(issuer);
});

// The sky's radiance in a direction of the world; shared by the background and by reflections.
uniform vec3 sun;          // towards it
uniform vec3 sun_light;
uniform vec3 zenith;
uniform vec3 horizon;
uniform float cloudiness;  // 0 clear .. 1 overcast
uniform vec2 wind;
uniform sampler2D cloud_map;

vec3 clear_sky(vec3 direction) {
    float height = max(direction.z, 0.0);
    vec3 colour = mix(horizon, zenith, pow(height, 0.5));
    float towards = max(dot(direction, sun), 0.0);
    return colour + sun_light * (0.12 * pow(towards, 8.0) + 0.5 * pow(towards, 200.0));
}

vec3 sky(vec3 direction) {
    vec2 place = direction.xy / (max(direction.z, 0.0) + 0.12);
    float density = 0.65 * texture(cloud_map, 0.06 * place + wind).r
        + 0.35 * texture(cloud_map, 0.21 * place - wind).r;
    float cover = smoothstep(0.72 - 0.5 * cloudiness, 0.85 - 0.35 * cloudiness, density);
    vec3 cloud = mix(horizon, vec3(dot(zenith + sun_light * 0.25, vec3(0.33))), 0.55)
        * (1.25 - 0.5 * density);
    return mix(clear_sky(direction), cloud, cover * smoothstep(0.0, 0.12, direction.z));
}

// Film's response: exposed radiance to the sRGB value of a sensor that clips softly.
vec3 develop(vec3 radiance) {
    vec3 x = max(radiance, 0.0);
    vec3 curve = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14);
    return pow(clamp(curve, 0.0, 1.0), vec3(1.0 / 2.2));
}

#version 330 core
#include sky.glsl
uniform vec3 eye;
uniform float exposure;
uniform float haze_per_m;
uniform float direct;      // share of the sun that the clouds let through
uniform float open_sky;    // share of the sky's light that reaches the street
uniform sampler2DArray layers;
uniform uint first_cut_out;
uniform sampler2DShadow shadow_map;

in vec3 world;
in vec3 facing;
in vec2 texel;
in vec4 paint;
in vec4 in_light;
flat in uvec4 material;
out vec4 colour;

float lit() {
    vec3 place = in_light.xyz * 0.5 + 0.5;
    if (any(lessThan(place, vec3(0.0))) || any(greaterThan(place, vec3(1.0)))) return 1.0;
    float sum = 0.0, step = 1.0 / float(textureSize(shadow_map, 0).x);
    for (float x = -0.5; x < 1.0; ++x)
        for (float y = -0.5; y < 1.0; ++y)
            sum += texture(shadow_map, place + vec3(vec2(x, y) * step, -0.0012));
    return sum / 4.0;
}

// What is mirrored: the sky above a skyline of houses and trees, below it they and the road.
vec3 surroundings(vec3 direction) {
    float azimuth = atan(direction.y, direction.x);
    float skyline = 0.2 + 0.09 * sin(3.0 * azimuth) + 0.05 * sin(11.0 * azimuth)
        + 0.03 * sin(29.0 * azimuth);
    float is_sky = smoothstep(skyline - 0.04, skyline + 0.04, direction.z);
    vec3 standing = mix(0.12 * horizon, clear_sky(direction), is_sky);
    vec3 road = 0.2 * horizon + 0.05 * direct * sun_light;
    return mix(road, standing, smoothstep(-0.06, 0.02, direction.z));
}

void main() {
    // the road is seen at grazing angles: a sharper level than the longest side asks for
    vec4 texture_value = texture(layers, vec3(texel, material.x), -0.8);
    bool cut_out = material.x >= first_cut_out;
    if (cut_out && texture_value.a < 0.5) discard;
    vec3 to_eye = normalize(eye - world);
    vec3 n = normalize(facing);
    bool foliage = material.z > 0u;
    if (!foliage && dot(n, to_eye) < 0.0) n = -n;
    vec3 albedo = pow(paint.rgb * texture_value.rgb, vec3(2.2));

    float towards = dot(n, sun);
    float diffuse = foliage ? 0.25 + 0.6 * max(towards, 0.0) + 0.15 * abs(towards)
        : max(towards, 0.0);
    float sunlit = direct * lit();
    float up = 0.5 + 0.5 * n.z;
    vec3 ambient = mix(0.35 * horizon + 0.04 * sun_light, 0.5 * (zenith + horizon), up);
    vec3 radiance = albedo * (sun_light * diffuse * sunlit + open_sky * ambient);

    float glass = cut_out ? 0.0 : texture_value.a * step(0.01, float(material.x));
    float gloss = max(paint.a, glass);
    if (gloss > 0.02) {
        float fresnel = 0.05 + 0.95 * pow(1.0 - max(dot(n, to_eye), 0.0), 5.0);
        vec3 mirrored = reflect(-to_eye, n);
        radiance += gloss * fresnel * surroundings(mirrored);
        vec3 half_way = normalize(sun + to_eye);
        radiance += gloss * sunlit * sun_light * pow(max(dot(n, half_way), 0.0), 200.0) * 2.0;
    }
    radiance += albedo * float(material.w) / 255.0 * 3.0;
    float distance = length(eye - world);
    radiance = mix(horizon, radiance, exp(-haze_per_m * distance));
    colour = vec4(develop(exposure * radiance), 1.0);
}
